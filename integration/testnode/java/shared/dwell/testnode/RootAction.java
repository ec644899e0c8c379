package dwell.testnode;

import java.util.List;
import org.apache.lucene.util.Version;
import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xcontent.XContentBuilder;

/**
 * GET and HEAD on the root: who and which version is this. The module that answers it in a packaged Elasticsearch
 * (rest-root) is not on Maven Central. Unlike there, any user who is let in may ask.
 */
final class RootAction extends BaseRestHandler {
  private final ClusterService cluster;

  RootAction(ClusterService cluster) {
    this.cluster = cluster;
  }

  @Override
  public String getName() {
    return "main_action";
  }

  @Override
  public List<Route> routes() {
    return List.of(new Route(RestRequest.Method.GET, "/"), new Route(RestRequest.Method.HEAD, "/"));
  }

  @Override
  protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
    return channel -> {
      Build build = Build.current();
      XContentBuilder b = channel.newBuilder().prettyPrint().lfAtEnd();
      b.startObject();
      b.field("name", cluster.getNodeName());
      b.field("cluster_name", cluster.getClusterName().value());
      b.field("cluster_uuid", cluster.state().metadata().clusterUUID());
      b.startObject("version");
      b.field("number", build.version());
      b.field("build_flavor", "default");
      b.field("build_type", "unknown");
      b.field("build_hash", build.hash());
      b.field("build_date", build.date());
      b.field("build_snapshot", build.isSnapshot());
      b.field("lucene_version", Version.LATEST.toString());
      b.endObject();
      b.field("tagline", "You Know, for Search");
      b.endObject();
      channel.sendResponse(new RestResponse(RestStatus.OK, b));
    };
  }
}
