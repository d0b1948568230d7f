# serve.sh BINARIES reach | prepare | serve PORT

binaries=$1 verb=$2 port=$3

# A copy, where the account that we run as cannot reach the original.
[ ! -d programs ] || binaries=programs/bin

case $verb in
reach)
    test -x "$binaries/postgres"
    ;;
prepare)
    exec "$binaries/initdb" --pgdata data --username postgres --auth trust --no-sync \
        --encoding UTF8 --locale C
    ;;
serve)
    # Durable enough for a crash of the server, which tests cause; not for one of the machine.
    exec "$binaries/postgres" -D data -p "$port" -c listen_addresses=127.0.0.1 \
        -c unix_socket_directories= -c fsync=off -c full_page_writes=off \
        -c max_connections=200 -c log_statement=none
    ;;
esac
