# Installs a Debian package, and neither starts what it contains nor makes it start at the next boot
# with data of its own: the servers of tests run elsewhere, and a machine's usual ports stay free.
#
# apt-install.sh PACKAGE

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

no_cluster=/etc/postgresql-common/createcluster.conf
if [ ! -e "$no_cluster" ]; then
    mkdir -p "${no_cluster%/*}"
    echo 'create_main_cluster = false' >"$no_cluster"
fi

export DEBIAN_FRONTEND=noninteractive
apt-get -qq -o DPkg::Lock::Timeout=300 update
apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold \
    install --yes --no-install-recommends "$1"
