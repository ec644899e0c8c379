// Package testnode starts a real Elasticsearch for tests and the demo, with or without Docker.
//
// It promises:
//   - a node that answers when Start returns, over TLS that the node's own CA verifies, with a user whose password was
//     made for this start alone (line 8; line 9 has neither, see README.md);
//   - nothing left behind: Stop ends the process and removes its directory, and a node whose starter is killed does the
//     same by itself;
//   - a reason: a node that does not come up, or dies, shows the end of its log in the error.
//
// Tests start at [ForTest], which takes, in this order, a cluster named by the environment (DWELL_TEST_ELASTICSEARCH_URL
// and its companions, see README.md), Docker Compose with docker-compose.test.yml, or a node of its own. A test that
// needs settings of its own, or stops and restarts its server, uses [Start].
//
// The cluster of ForTest is shared: by the tests of a package, and under `make test` by the tests of all packages at
// once. So a test either uses index and data stream names of its own, or, when the product's fixed names are what it
// needs (logs-zeek-so, logs-dwell.*), takes [Cluster.Exclusive] first, which waits for its turn and empties them.
//
// A package that calls ForTest needs this one line, which stops what ForTest started:
//
//	func TestMain(m *testing.M) { os.Exit(testnode.Main(m)) }
package testnode
