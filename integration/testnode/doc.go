// Package testnode starts a real Elasticsearch for tests and the demo, with or without Docker.
//
// It guarantees:
//   - a node that answers when Start returns, over TLS verified by the node's own CA, with a user whose password was
//     made for this start (line 8; line 9 has neither, see README.md);
//   - no leftovers: Stop ends the process and removes its directory, and a node whose starter is killed does so itself;
//   - a reason: if a node does not start, or dies, the error shows the end of its log.
//
// Tests use [ForTest], which takes the first available of a cluster named by the environment
// (DWELL_TEST_ELASTICSEARCH_URL and its companions, see README.md), Docker Compose with docker-compose.test.yml, and
// its own node. A test that needs special settings, or stops and restarts its server, uses [Start].
//
// The cluster of ForTest is shared by the tests of a package, and under `make test` by all packages at once. A test
// uses its own index and data stream names or, if it needs the product's fixed names (logs-zeek-so, logs-dwell.*),
// calls [Cluster.Exclusive] first, which waits for its turn and empties them.
//
// A package that calls ForTest needs this line, which stops what ForTest started:
//
//	func TestMain(m *testing.M) { os.Exit(testnode.Main(m)) }
package testnode
