# Runs a command, and ends it with everything that it has started when standard input closes, which
# the kernel sees to however the one at the other end dies.
#
# leash.sh COMMAND...

exec 3<&0 </dev/null
(read -r _ <&3; kill -TERM 0) &
"$@" 3<&-
status=$?
kill $!
exit "$status"
