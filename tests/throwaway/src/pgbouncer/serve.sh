# serve.sh PROGRAM HOST PORT SUPERUSER POOL_SIZE serve PORT

program=$1 host=$2 upstream=$3 superuser=$4 pool_size=$5 port=$7

echo "\"$superuser\" \"\"" >users

# Nothing that helps a client that needs a session: transactions are all that is promised.
cat >config <<EOF
[databases]
* = host=$host port=$upstream
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = trust
auth_file = users
auth_user = $superuser
pool_mode = transaction
default_pool_size = $pool_size
ignore_startup_parameters = extra_float_digits,options
EOF

exec "$program" --quiet config
