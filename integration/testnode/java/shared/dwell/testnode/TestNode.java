package dwell.testnode;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.elasticsearch.Build;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.transport.TransportAddress;
import org.elasticsearch.env.Environment;
import org.elasticsearch.http.HttpServerTransport;
import org.elasticsearch.node.ClasspathNode;
import org.elasticsearch.node.Node;
import org.elasticsearch.transport.TransportService;

/**
 * Runs one real Elasticsearch node in this JVM. Arguments: HOME [setting=value ...]. HOME is a folder that the starter
 * made for this node alone and marked with a file of the name MARKER.
 *
 * <p>Two things tie the node to the program that started it. When the node answers, one line goes to standard output
 * (see READY). And the node lives only as long as its standard input is open: at its end the node stops and removes
 * HOME, so that a starter that was killed leaves neither a server nor its data behind. A plain SIGTERM stops the node
 * and keeps HOME, for a restart with the same data.
 */
public final class TestNode {
  static final String MARKER = ".dwell-testnode";
  static final String READY = "dwell-testnode ready";

  /** The node, once there is one: what the shutdown hook closes. */
  private static volatile Node node;

  /** Whether the starter is gone, so that nobody but this JVM removes HOME. */
  private static volatile boolean orphaned;

  private TestNode() {}

  public static void main(String[] args) throws Exception {
    Path home = Path.of(args[0]).toAbsolutePath();
    if (!Files.exists(home.resolve(MARKER))) {
      System.err.println(home + " has no file " + MARKER + ": it was not made for a test node and is left alone");
      System.exit(2);
    }
    // One hook for both, because hooks run at the same time and HOME must not go before the node has let go of it.
    Runtime.getRuntime().addShutdownHook(new Thread(() -> shutDown(home), "shut-down"));
    Thread watch = new Thread(TestNode::exitWithParent, "parent-watch");
    watch.setDaemon(true);
    watch.start();

    Settings.Builder builder = Settings.builder().put("path.home", home);
    for (String setting : List.of(args).subList(1, args.length)) {
      int eq = setting.indexOf('=');
      builder.put(setting.substring(0, eq), setting.substring(eq + 1));
    }
    Settings settings = builder.build();
    LogConfigurator.configureWithoutConfig(settings);
    try {
      node = new ClasspathNode(new Environment(settings, home.resolve("config")), Modules.list());
      node.start();
    } catch (Exception e) {
      // Threads of a node that is half made would keep this JVM alive.
      e.printStackTrace();
      System.exit(1);
      return;
    }
    System.out.println(READY
        + " http=" + address(node.injector().getInstance(HttpServerTransport.class).boundAddress().publishAddress())
        + " transport=" + address(node.injector().getInstance(TransportService.class).boundAddress().publishAddress())
        + " version=" + Build.current().version());
    new CountDownLatch(1).await();
  }

  private static String address(TransportAddress a) {
    return a.getAddress() + ":" + a.getPort();
  }

  private static void exitWithParent() {
    try {
      while (System.in.read() >= 0) {
        // What is written does not matter, only that somebody holds the other end.
      }
    } catch (IOException e) {
      e.printStackTrace();
    }
    orphaned = true;
    System.exit(0);
  }

  private static void shutDown(Path home) {
    Node n = node;
    if (n != null) {
      try {
        n.close();
      } catch (IOException e) {
        e.printStackTrace();
      }
    }
    if (orphaned) {
      remove(home);
    }
  }

  private static void remove(Path home) {
    try (Stream<Path> all = Files.walk(home)) {
      for (Path p : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(p);
      }
    } catch (IOException | java.io.UncheckedIOException e) {
      e.printStackTrace();
    }
  }
}
