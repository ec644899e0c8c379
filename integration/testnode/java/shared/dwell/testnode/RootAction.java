package dwell.testnode;

import java.io.IOException;
import java.util.List;
import org.apache.lucene.util.Version;
import org.elasticsearch.Build;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.ActionRequest;
import org.elasticsearch.action.ActionRequestValidationException;
import org.elasticsearch.action.ActionResponse;
import org.elasticsearch.action.ActionType;
import org.elasticsearch.action.support.ActionFilters;
import org.elasticsearch.action.support.TransportAction;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.common.io.stream.StreamOutput;
import org.elasticsearch.common.util.concurrent.EsExecutors;
import org.elasticsearch.injection.guice.Inject;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.action.RestToXContentListener;
import org.elasticsearch.tasks.Task;
import org.elasticsearch.transport.TransportService;
import org.elasticsearch.xcontent.ToXContentObject;
import org.elasticsearch.xcontent.XContentBuilder;

/**
 * GET and HEAD on the root: who and which version is this. The module that answers it in a packaged Elasticsearch
 * (rest-root) is not on Maven Central. As there, it asks for the privilege to monitor the cluster.
 */
final class RootAction {
  static final ActionType<Answer> TYPE = new ActionType<>("cluster:monitor/main");

  private RootAction() {}

  /** The question, which has no parameters. */
  public static final class Question extends ActionRequest {
    @Override
    public ActionRequestValidationException validate() {
      return null;
    }
  }

  /** The answer, for this node only: it is never sent to another. */
  public static final class Answer extends ActionResponse implements ToXContentObject {
    private final ClusterService cluster;

    Answer(ClusterService cluster) {
      this.cluster = cluster;
    }

    @Override
    public void writeTo(StreamOutput out) throws IOException {
      throw new IOException("the root page is not sent to other nodes");
    }

    @Override
    public XContentBuilder toXContent(XContentBuilder b, Params params) throws IOException {
      Build build = Build.current();
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
      return b.endObject();
    }
  }

  /** Carries the question out under the caller's privileges. */
  public static final class Transport extends TransportAction<Question, Answer> {
    private final ClusterService cluster;

    @Inject
    public Transport(ActionFilters filters, TransportService transport, ClusterService cluster) {
      super(TYPE.name(), filters, transport.getTaskManager(), EsExecutors.DIRECT_EXECUTOR_SERVICE);
      this.cluster = cluster;
    }

    @Override
    protected void doExecute(Task task, Question question, ActionListener<Answer> listener) {
      listener.onResponse(new Answer(cluster));
    }
  }

  /** The page itself. */
  static final class Rest extends BaseRestHandler {
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
      return channel -> client.execute(TYPE, new Question(), new RestToXContentListener<>(channel));
    }
  }
}
