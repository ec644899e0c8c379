package dwell.testnode;

import java.util.List;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.transport.netty4.Netty4Plugin;
import org.elasticsearch.xpack.core.XPackPlugin;
import org.elasticsearch.xpack.security.Security;

/** The modules of the 8.x line. */
final class Modules {
  private Modules() {}

  static List<Class<? extends Plugin>> list() {
    return List.of(Netty4Plugin.class, XPackPlugin.class, Security.class, MissingModules.class);
  }
}
