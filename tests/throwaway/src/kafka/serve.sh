# serve.sh JAVA JARS CLUSTER LINKED_PORT LINK_PORT CONTROLLER_PORT reach | prepare PORT | serve PORT

java=$1 jars=$2 cluster=$3 linked=$4 link=$5 controller=$6 verb=$7 port=$8

# A copy, where the account that we run as cannot reach the original.
[ ! -d jars ] || jars=jars

kafka() {
    # Where nothing else is said, it would write its log into its own folder for programs.
    exec "$java" -Xmx512m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC \
        -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$jars/*" "$@"
}

case $verb in
reach)
    test -r "$jars" && test -x "$java"
    ;;
prepare)
    # Clients of the listener LINK are sent to the port that a proxy has in front of it.
    # Without auto-creation a topic that is not there is missed; without the delay a group starts at once.
    cat >config <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,LINK://127.0.0.1:$linked,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port,LINK://127.0.0.1:$link
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,LINK:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.min.isr=1
END
    # In one word: one name of 64 begins with a dash.
    kafka kafka.tools.StorageTool format --cluster-id="$cluster" -c config
    ;;
serve)
    kafka kafka.Kafka config
    ;;
esac
