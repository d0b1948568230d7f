# Becomes a command that ends, with everything that it has started, when standard input closes, which
# the kernel sees to however the one at the other end dies.
#
# leash.sh COMMAND...

exec 3<&0 </dev/null
# Nobody's child, so that no command waits for it, and silent, so that no reader waits for its output.
( (read -r _ <&3; kill -TERM 0) >/dev/null 2>&1 & )
exec "$@" 3<&-
