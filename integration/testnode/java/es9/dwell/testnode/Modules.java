package dwell.testnode;

import java.util.List;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.transport.netty4.Netty4Plugin;

/** The modules of the 9.x line: no x-pack, so no TLS and no users. */
final class Modules {
  private Modules() {}

  static List<Class<? extends Plugin>> list() {
    return List.of(Netty4Plugin.class, MissingModules.class);
  }
}
