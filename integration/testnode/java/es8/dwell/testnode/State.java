package dwell.testnode;

import java.util.List;
import java.util.Set;
import org.elasticsearch.action.datastreams.DataStreamsActionUtil;
import org.elasticsearch.action.support.IndicesOptions;
import org.elasticsearch.cluster.ClusterState;
import org.elasticsearch.cluster.health.ClusterHealthStatus;
import org.elasticsearch.cluster.health.ClusterStateHealth;
import org.elasticsearch.cluster.metadata.DataStream;
import org.elasticsearch.cluster.metadata.IndexNameExpressionResolver;
import org.elasticsearch.cluster.metadata.MetadataCreateDataStreamService.CreateDataStreamClusterStateUpdateRequest;
import org.elasticsearch.cluster.metadata.MetadataDataStreamsService;
import org.elasticsearch.cluster.metadata.MetadataIndexTemplateService;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.index.Index;

/** The questions to the cluster state whose form differs between the lines: 8.x has no projects. */
final class State {
  private static final TimeValue TIMEOUT = TimeValue.timeValueSeconds(30);

  private State() {}

  static List<DataStream> dataStreams(
      ClusterState state, IndexNameExpressionResolver resolver, String[] names, IndicesOptions options) {
    return DataStreamsActionUtil.getDataStreamNames(resolver, state, names, options).stream()
        .map(name -> state.metadata().dataStreams().get(name)).toList();
  }

  static ClusterHealthStatus health(ClusterState state, DataStream stream) {
    String[] indices = stream.getIndices().stream().map(Index::getName).toArray(String[]::new);
    return new ClusterStateHealth(state, indices).getStatus();
  }

  static String template(ClusterState state, DataStream stream) {
    return MetadataIndexTemplateService.findV2Template(state.metadata(), stream.getName(), false);
  }

  static ClusterState without(ClusterState state, Set<DataStream> streams, Settings settings) {
    return MetadataDataStreamsService.deleteDataStreams(state, streams, settings);
  }

  static CreateDataStreamClusterStateUpdateRequest creation(String name) {
    return new CreateDataStreamClusterStateUpdateRequest(name, null, TIMEOUT, TIMEOUT, true);
  }
}
