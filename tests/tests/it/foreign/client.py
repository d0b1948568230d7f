"""Calls the documents service as a service without tenantkit does, and prints what came back."""

import json
import sys

import grpc
from grpc_tools import protoc

proto, generated, address, token, expired = sys.argv[1:]
source = "acmedocs/v1/documents.proto"
arguments = ["protoc", "-I", proto, "--python_out", generated, "--grpc_python_out", generated]
assert protoc.main([*arguments, source]) == 0
sys.path.insert(0, generated)

from acmedocs.v1 import documents_pb2 as messages
from acmedocs.v1 import documents_pb2_grpc as services

documents = services.DocumentsStub(grpc.insecure_channel(address))


def refused(metadata, call=lambda metadata: documents.List(messages.ListRequest(), metadata=metadata)):
    try:
        call(metadata)
    except grpc.RpcError as error:
        details = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
        reasons = ["NO_TENANT", "UNVERIFIED", "MISMATCH", "NOT_ALLOWED", "SUSPENDED"]
        return {
            "code": error.code().name,
            "reason": next((reason for reason in reasons if reason.encode() in details), None),
            "initial metadata": bool(error.initial_metadata()),
        }
    return {"code": "OK"}


def export(metadata):
    return [document.title for document in documents.Export(messages.ExportRequest(), metadata=metadata)]


good = ("txn-token", token)
created = documents.Create(messages.CreateRequest(title="Merger plan"), metadata=[good])
print(
    json.dumps(
        {
            "created": created.title,
            "streamed": export([good]),
            "no token": refused([]),
            "expired": refused([("txn-token", expired)]),
            "expired stream": refused([("txn-token", expired)], export),
            "two tokens": refused([good, good]),
            "x_tenant_id": refused([good, ("x_tenant_id", "globex")]),
        }
    )
)
