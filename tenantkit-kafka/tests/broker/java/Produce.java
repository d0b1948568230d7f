import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;

import java.nio.charset.StandardCharsets;

/** Produce BROKERS TOPIC KEY VALUE TENANT: the producer that other teams have. */
public final class Produce {
  public static final String TENANT_HEADER = "tenant_id";

  public static ProducerRecord<String, byte[]> withTenant(String topic, String key, byte[] value, String tenantId) {
    if (tenantId == null || tenantId.isEmpty()) throw new IllegalArgumentException("missing tenant_id");
    ProducerRecord<String, byte[]> rec = new ProducerRecord<>(topic, key, value);
    rec.headers().add(new RecordHeader(TENANT_HEADER, tenantId.getBytes(StandardCharsets.UTF_8)));
    return rec;
  }

  public static void main(String[] arguments) throws Exception {
    Map<String, Object> config = Map.of("bootstrap.servers", arguments[0]);
    try (KafkaProducer<String, byte[]> producer =
        new KafkaProducer<>(config, new StringSerializer(), new ByteArraySerializer())) {
      byte[] value = arguments[3].getBytes(StandardCharsets.UTF_8);
      producer.send(withTenant(arguments[1], arguments[2], value, arguments[4])).get();
    }
  }
}
