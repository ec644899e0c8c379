package org.elasticsearch.node;

import java.util.Collection;
import java.util.Map;
import java.util.Set;
import org.elasticsearch.env.Environment;
import org.elasticsearch.plugins.ClasspathPlugins;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.plugins.PluginsLoader;
import org.elasticsearch.plugins.PluginsService;

/**
 * A node whose modules are classes on the class path rather than folders under modules/.
 * It lives in this package because the construction of a node is package-private.
 */
public final class ClasspathNode extends Node {
  public ClasspathNode(Environment environment, Collection<Class<? extends Plugin>> modules) {
    super(NodeConstruction.prepareConstruction(
        environment,
        PluginsLoader.createPluginsLoader(Set.of(), Set.of(), Map.of(), false),
        new NodeServiceProvider() {
          @Override
          PluginsService newPluginService(Environment env, PluginsLoader loader) {
            return new ClasspathPlugins(env, modules);
          }
        },
        true));
  }
}
