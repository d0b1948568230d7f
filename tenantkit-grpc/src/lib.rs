//! Tenant layers for HTTP and gRPC, server and client.
