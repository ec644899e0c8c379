package dwell.testnode;

import java.util.Collection;
import java.util.List;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.elasticsearch.action.datastreams.CreateDataStreamAction;
import org.elasticsearch.action.datastreams.DeleteDataStreamAction;
import org.elasticsearch.action.datastreams.GetDataStreamAction;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.RestHandler;

/** What modules that are not on Maven Central give: the root page, and data streams by REST. */
public final class MissingModules extends Plugin implements ActionPlugin {
  @Override
  public List<ActionHandler> getActions() {
    return List.of(
        new ActionHandler(RootAction.TYPE, RootAction.Transport.class),
        new ActionHandler(GetDataStreamAction.INSTANCE, DataStreamActions.Get.class),
        new ActionHandler(CreateDataStreamAction.INSTANCE, DataStreamActions.Create.class),
        new ActionHandler(DeleteDataStreamAction.INSTANCE, DataStreamActions.Delete.class));
  }

  @Override
  public Collection<RestHandler> getRestHandlers(
      RestHandlersServices services, Supplier<DiscoveryNodes> nodes, Predicate<NodeFeature> features) {
    return List.of(new RootAction.Rest(), new DataStreamActions.Rest());
  }
}
