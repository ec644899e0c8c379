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

  private TestNode() {}

  public static void main(String[] args) throws Exception {
    Path home = Path.of(args[0]).toAbsolutePath();
    if (!Files.exists(home.resolve(MARKER))) {
      System.err.println(home + " has no file " + MARKER + ": it was not made for a test node and is left alone");
      System.exit(2);
    }
    Thread watch = new Thread(() -> stopWithParent(home), "parent-watch");
    watch.setDaemon(true);
    watch.start();

    Settings.Builder builder = Settings.builder().put("path.home", home);
    for (String setting : List.of(args).subList(1, args.length)) {
      int eq = setting.indexOf('=');
      builder.put(setting.substring(0, eq), setting.substring(eq + 1));
    }
    Settings settings = builder.build();
    LogConfigurator.configureWithoutConfig(settings);
    Node node;
    try {
      node = new ClasspathNode(new Environment(settings, home.resolve("config")), Modules.list());
      Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node), "node-close"));
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

  private static void close(Node node) {
    try {
      node.close();
    } catch (IOException e) {
      e.printStackTrace();
    }
  }

  private static void stopWithParent(Path home) {
    try {
      while (System.in.read() >= 0) {
        // What is written does not matter, only that somebody holds the other end.
      }
    } catch (IOException e) {
      e.printStackTrace();
    }
    // Registered now, so that it ends last: hooks run at the same time, and the node's must have let go of its files.
    Thread remove = new Thread(() -> {
      awaitThread("node-close");
      remove(home);
    }, "home-remove");
    Runtime.getRuntime().addShutdownHook(remove);
    System.exit(0);
  }

  private static void awaitThread(String name) {
    for (Thread t : Thread.getAllStackTraces().keySet()) {
      if (t.getName().equals(name)) {
        try {
          t.join(20_000);
        } catch (InterruptedException e) {
          return;
        }
      }
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
