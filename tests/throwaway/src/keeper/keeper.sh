# Keeps one server and its folder. Obeys the lines on its standard input, and ends both when that
# closes: a pipe is the one thing that the kernel takes away from whoever dies, however they die.
#
# keeper.sh OWNER SIGNAL COMMAND...

owner=$1 signal=$2
shift 2

# A signal to this shell ends `read` below, and so leads to the same clean end.
trap : HUP INT TERM PIPE

folder=$(mktemp -d "${TMPDIR:-/tmp}/throwaway.XXXXXXXX") || exit
cd "$folder" || exit
[ -z "$owner" ] || chown "$owner" . || exit
echo "$folder"
exec 2>>log

server=
children() { cat "/proc/$server/task/$server/children"; }

stop() {
    attempts=0
    # Sent again and again, for a server that was still starting and did not listen to signals yet.
    while [ -n "$server" ] && kill -s "$signal" "$server"; do
        kill -CONT "$server" $(children)
        sleep 0.05
        attempts=$((attempts + 1))
        [ "$attempts" -lt 200 ] || signal=KILL
    done
    server=
}

while read -r verb argument; do
    case $verb in
    run)
        "$@" $argument </dev/null >>log
        echo $?
        ;;
    start)
        "$@" $argument </dev/null >>log &
        server=$!
        echo "$server"
        ;;
    pause)
        kill -STOP "$server" && kill -STOP $(children)
        echo 0
        ;;
    resume)
        kill -CONT "$server" $(children)
        echo $?
        ;;
    stop)
        stop
        echo 0
        ;;
    esac
done

stop
cd / && rm -rf "$folder"
