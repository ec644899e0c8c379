package dwell.testnode;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.datastreams.CreateDataStreamAction;
import org.elasticsearch.action.datastreams.DeleteDataStreamAction;
import org.elasticsearch.action.datastreams.GetDataStreamAction;
import org.elasticsearch.action.datastreams.GetDataStreamAction.Response.DataStreamInfo;
import org.elasticsearch.action.datastreams.GetDataStreamAction.Response.IndexProperties;
import org.elasticsearch.action.datastreams.GetDataStreamAction.Response.ManagedBy;
import org.elasticsearch.action.support.ActionFilters;
import org.elasticsearch.action.support.TransportAction;
import org.elasticsearch.action.support.master.AcknowledgedResponse;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.AckedClusterStateUpdateTask;
import org.elasticsearch.cluster.ClusterState;
import org.elasticsearch.cluster.metadata.DataStream;
import org.elasticsearch.cluster.metadata.IndexNameExpressionResolver;
import org.elasticsearch.cluster.metadata.MetadataCreateDataStreamService;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.common.Strings;
import org.elasticsearch.common.util.concurrent.EsExecutors;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.index.Index;
import org.elasticsearch.injection.guice.Inject;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.action.RestToXContentListener;
import org.elasticsearch.tasks.Task;
import org.elasticsearch.transport.TransportService;

/**
 * GET, PUT and DELETE of data streams. Their module is not on Maven Central, but the server has the parts: requests, answers
 * with their JSON, privileges by action name, and what makes and removes them in the cluster state. These are for one node: nothing
 * is forwarded to a master elsewhere, and what only a lifecycle module knows is left out.
 */
final class DataStreamActions {
  private static final TimeValue TIMEOUT = TimeValue.timeValueSeconds(30);

  private DataStreamActions() {}

  /** GET _data_stream, PUT _data_stream/NAME and DELETE _data_stream/NAMES. */
  static final class Rest extends BaseRestHandler {
    @Override
    public String getName() {
      return "testnode_data_streams";
    }

    @Override
    public List<Route> routes() {
      return List.of(
          new Route(RestRequest.Method.GET, "/_data_stream"),
          new Route(RestRequest.Method.GET, "/_data_stream/{name}"),
          new Route(RestRequest.Method.PUT, "/_data_stream/{name}"),
          new Route(RestRequest.Method.DELETE, "/_data_stream/{name}"));
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
      if (request.method() == RestRequest.Method.PUT) {
        var create = new CreateDataStreamAction.Request(TIMEOUT, TIMEOUT, request.param("name"));
        return channel -> client.execute(CreateDataStreamAction.INSTANCE, create, new RestToXContentListener<>(channel));
      }
      String[] names = Strings.splitStringByCommaToArray(request.param("name"));
      if (request.method() == RestRequest.Method.DELETE) {
        var delete = new DeleteDataStreamAction.Request(TIMEOUT, names);
        return channel -> client.execute(DeleteDataStreamAction.INSTANCE, delete, new RestToXContentListener<>(channel));
      }
      var get = new GetDataStreamAction.Request(TIMEOUT, names.length == 0 ? new String[] {"*"} : names);
      return channel -> client.execute(GetDataStreamAction.INSTANCE, get, new RestToXContentListener<>(channel));
    }
  }

  /** Answers GET out of the cluster state. */
  public static final class Get extends TransportAction<GetDataStreamAction.Request, GetDataStreamAction.Response> {
    private final ClusterService cluster;
    private final IndexNameExpressionResolver names;

    @Inject
    public Get(ActionFilters filters, TransportService transport, ClusterService cluster, IndexNameExpressionResolver names) {
      super(GetDataStreamAction.NAME, filters, transport.getTaskManager(), EsExecutors.DIRECT_EXECUTOR_SERVICE);
      this.cluster = cluster;
      this.names = names;
    }

    @Override
    protected void doExecute(
        Task task, GetDataStreamAction.Request request, ActionListener<GetDataStreamAction.Response> listener) {
      ActionListener.completeWith(listener, () -> {
        ClusterState state = cluster.state();
        return new GetDataStreamAction.Response(
            State.dataStreams(state, names, request.getNames(), request.indicesOptions()).stream()
                .map(stream -> info(state, stream)).toList());
      });
    }

    private static DataStreamInfo info(ClusterState state, DataStream stream) {
      Map<Index, IndexProperties> backing = new HashMap<>();
      for (Index index : stream.getIndices()) {
        backing.put(index, new IndexProperties(true, null, ManagedBy.UNMANAGED, null));
      }
      return new DataStreamInfo(stream, false, State.health(state, stream), State.template(state, stream),
          null, null, backing, true, null, null);
    }
  }

  /** Makes a data stream out of the index template that matches its name. */
  public static final class Create extends TransportAction<CreateDataStreamAction.Request, AcknowledgedResponse> {
    private final MetadataCreateDataStreamService service;

    @Inject
    public Create(ActionFilters filters, TransportService transport, MetadataCreateDataStreamService service) {
      super(CreateDataStreamAction.NAME, filters, transport.getTaskManager(), EsExecutors.DIRECT_EXECUTOR_SERVICE);
      this.service = service;
    }

    @Override
    protected void doExecute(
        Task task, CreateDataStreamAction.Request request, ActionListener<AcknowledgedResponse> listener) {
      service.createDataStream(State.creation(request.getName()), listener);
    }
  }

  /** Removes data streams and their backing indices from the cluster state. */
  public static final class Delete extends TransportAction<DeleteDataStreamAction.Request, AcknowledgedResponse> {
    private final ClusterService cluster;
    private final IndexNameExpressionResolver names;

    @Inject
    public Delete(ActionFilters filters, TransportService transport, ClusterService cluster, IndexNameExpressionResolver names) {
      super(DeleteDataStreamAction.NAME, filters, transport.getTaskManager(), EsExecutors.DIRECT_EXECUTOR_SERVICE);
      this.cluster = cluster;
      this.names = names;
    }

    @Override
    protected void doExecute(
        Task task, DeleteDataStreamAction.Request request, ActionListener<AcknowledgedResponse> listener) {
      cluster.submitUnbatchedStateUpdateTask("delete data streams",
          new AckedClusterStateUpdateTask(TIMEOUT, TIMEOUT, listener) {
            @Override
            public ClusterState execute(ClusterState state) {
              List<DataStream> streams = State.dataStreams(state, names, request.getNames(), request.indicesOptions());
              return streams.isEmpty() ? state : State.without(state, new HashSet<>(streams), cluster.getSettings());
            }
          });
    }
  }
}
