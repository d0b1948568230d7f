# serve.sh PROGRAM HTTP_PORT PAGE_PORT reach
# serve.sh PROGRAM HTTP_PORT PAGE_PORT serve GRPC_PORT

program=$1
[ ! -x ./otelcol ] || program=./otelcol

case $4 in
reach) test -x "$program" ;;
serve) GRPC=$5 HTTP=$2 PAGE=$3 exec "$program" --config=file:collector.yaml ;;
esac
