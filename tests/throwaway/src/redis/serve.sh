# serve.sh PROGRAM serve PORT

exec "$1" --port "$3" --bind 127.0.0.1 --save '' --appendonly no --dir .
