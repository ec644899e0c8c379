package hunt

import (
	"context"
	"net/netip"
	"time"
)

// Source is where a hunt's records are from: log files or a cluster.
type Source interface {
	// Open begins a hunt. It reads nothing yet. A session is for one hunt: what its reading notes on the way, its look-ups use;
	// another hunt opens its own.
	Open() *Session
}

// Session is a source that was opened for one hunt: what it can do, one function each. Connections is always there; any other
// may be nil, and then this source cannot do it.
//
// All functions that read a window keep one promise: they give every record of it, or say in Gaps what is missing, or return an
// error. They never drop a record in silence. Batches are used again when emit has returned; emit may be called from several
// goroutines at once, and once it returns an error, reading stops with that error. A look-up sends few requests for many
// things, never one for each. In all requests but those of Connections, Sightings, Sensors and Plan, From and To are set.
type Session struct {
	// Connections gives those that start in [Reading.Window.ReadFrom(), Reading.Window.End) and are in scope, each exactly once; and
	// those that began before and were still open when the window began.
	Connections func(ctx context.Context, req Request, emit func([]Connection) error) (Reading, error)
	// Names gives the records of ssl and http logs whose source is internal, proxies included: Connect records are in scope
	// whatever address the proxy has. A source without these logs says so in a Note.
	Names func(ctx context.Context, req Request, emit func([]NameRecord) error) (Reading, error)
	// DNS gives the queries of internal clients, whatever address the resolver has.
	DNS func(ctx context.Context, req Request, emit func([]DNSRecord) error) (Reading, error)
	// Answers fills Bytes and Addresses of each wanted entry, where DNS gives queries without answers.
	Answers func(ctx context.Context, req Request, wanted []Answers) (Remarks, error)
	// Signatures gives those of internal sources to destinations in scope. The same one may come any number of times.
	Signatures func(ctx context.Context, req Request, emit func([]Signature) error) (Reading, error)
	// Sightings says when each destination was seen without giving its connections, so that weeks of the past cost little. It
	// settles the window as Connections does; a destination may come several times, and then it was seen over all of its spans.
	Sightings func(ctx context.Context, req Request, emit func([]Sighting) error) (Reading, error)
	// Facts says what the logs beside conn tell about some keys. Keys by name are matched by server name and Host whatever the
	// port, others by address (or network) and port.
	Facts func(ctx context.Context, req Request, wanted []PairKey) (FactBook, Remarks, error)
	// Owners says who holds external addresses. An address of which nothing is known is missing in the answer.
	Owners func(ctx context.Context, req Request, addrs []netip.Addr) (map[netip.Addr]Owner, Remarks, error)
	// Hosts says which hosts some internal addresses are: names from [NamesFrom] on, the rest in the window. An address of
	// which nothing is known is missing in the answer. With talk, the hosts' own HTTP requests and the network's DNS answers
	// count too: large logs, worth reading for one host.
	Machines func(ctx context.Context, req Request, addrs []netip.Addr, talk bool) (map[netip.Addr]*Machine, Remarks, error)
	// Contacts says what one host did in the window: with other internal hosts, and who else talks to some external addresses.
	Contacts func(ctx context.Context, req Request, addr netip.Addr, outside []netip.Addr) (Contacts, Remarks, error)
	// Hours settles the window of a request as Connections does and says what the source has of each whole hour in it (UTC, by
	// its start in Unix milliseconds). Of the hours in seen it also counts what arrived after the newest record seen.
	Hours func(ctx context.Context, req Request, seen map[int64]HourState) (Window, map[int64]Hour, Remarks, error)
	// Coverage says how much of the traffic was seen.
	Coverage func(ctx context.Context, req Request) (Coverage, Remarks, error)
	// Sensors settles the window of a request and gives a source for each sensor that has connections in it, in order of name.
	Sensors func(ctx context.Context, req Request) (Window, []SensorPart, Remarks, error)
	// Samples fills in the sensor, source port and Zeek uid of each finding's last connection, where Connections leaves them
	// out. A connection that is no longer there leaves its finding as it is.
	Samples func(ctx context.Context, findings []Finding) (Remarks, error)
	// UIDs gives start, ends, ports and uid of the connection records from one source to some destinations that start in [From, To), where
	// Connections leaves uids out. One that several sensors saw comes once for each.
	UIDs func(ctx context.Context, req Request, src netip.Addr, to []netip.Addr, emit func([]Connection) error) error
	// Name says what Reading.Source will be, so that a hunt's identity is known before it. What does not answer changes no name.
	Name func(ctx context.Context) (string, error)
	// Newest gives the start of the newest connection there is, in scope or not, but none that starts in the future; zero where
	// there is none.
	Newest func(ctx context.Context) (time.Time, error)
	// Earliest says of each candidate since when it is known out of what is kept. One that is not known is missing.
	Earliest func(ctx context.Context, wanted []PairKey, before time.Time) (map[PairKey]Earliest, error)
	// Starts gives the start times that are kept of some candidates before a time, Unix milliseconds, ascending: of one with very many,
	// the newest.
	Starts func(ctx context.Context, wanted []PairKey, before time.Time) (map[PairKey][]int64, error)
	// Began takes the change points that were found, for Earliest to give the next time.
	Began func(ctx context.Context, since map[PairKey]time.Time) error
	// Close lets go of what the session holds; it is called once, when the hunt has read all or has failed.
	Close func() error
	// Plan says in sentences for people what would be read, and reads no record for it.
	Plan func(ctx context.Context, req Request) ([]string, error)
}

// SensorPart is what one sensor saw, and nothing else. Name is empty for records that name no sensor.
type SensorPart struct {
	Name   string
	Source Source
}

// HourState tells whether the records of an hour are still those that were read: as long as it is the same, none has come or gone.
type HourState struct {
	// Records is how many there are, of all the logs that a hunt reads.
	Records int64 `json:"records"`
	// Arrived is when the newest of them arrived, Unix milliseconds; 0 where the source does not know.
	Arrived int64 `json:"arrived,omitempty"`
}

// Earliest is since when a candidate is known out of what is kept.
type Earliest struct {
	// First is the start of its first record, Kept when what was kept at that time began.
	First, Kept time.Time
	// RhythmSince is the change point that was found before, zero where none was.
	RhythmSince time.Time
}

// Hour is the state of an hour now, and how many of its records arrived after those that were seen before.
type Hour struct {
	HourState
	Later int64
}
