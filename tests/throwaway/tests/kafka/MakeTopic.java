import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;

/** MakeTopic BROKERS TOPIC: makes a topic of one partition. */
public final class MakeTopic {
  public static void main(String[] arguments) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", arguments[0]))) {
      admin.createTopics(List.of(new NewTopic(arguments[1], 1, (short) 1))).all().get();
    }
  }
}
