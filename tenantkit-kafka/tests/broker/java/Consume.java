import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Consume BROKERS TOPIC COUNT: the consumer that other teams have. Prints of each record its tenant, key and
 * payload, and then each header as hexadecimal bytes.
 */
public final class Consume {
  public static final String TENANT_HEADER = "tenant_id";

  public static String requireTenant(ConsumerRecord<String, byte[]> rec) {
    Header h = rec.headers().lastHeader(TENANT_HEADER);
    if (h == null) throw new IllegalArgumentException("tenantless message");
    String tenantId = new String(h.value(), StandardCharsets.UTF_8);
    if (tenantId.isEmpty()) throw new IllegalArgumentException("tenantless message");
    return tenantId;
  }

  public static void main(String[] arguments) throws Exception {
    Map<String, Object> config =
        Map.of(
            "bootstrap.servers", arguments[0],
            "group.id", arguments[1] + ".java",
            "auto.offset.reset", "earliest");
    int left = Integer.parseInt(arguments[2]);
    try (KafkaConsumer<String, byte[]> consumer =
        new KafkaConsumer<>(config, new StringDeserializer(), new ByteArrayDeserializer())) {
      consumer.subscribe(List.of(arguments[1]));
      while (left > 0) {
        for (ConsumerRecord<String, byte[]> rec : consumer.poll(Duration.ofSeconds(1))) {
          String value = new String(rec.value(), StandardCharsets.UTF_8);
          System.out.print(requireTenant(rec) + " " + rec.key() + " " + value);
          for (Header header : rec.headers()) {
            System.out.print(" " + header.key() + "=" + HexFormat.of().formatHex(header.value()));
          }
          System.out.println();
          left--;
        }
      }
    }
  }
}
