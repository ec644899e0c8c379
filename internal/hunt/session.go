package hunt

import (
	"context"
	"net/netip"
	"time"
)

// Source is the origin of a hunt's records: log files or a cluster.
type Source interface {
	// Open starts a session without reading. A session is for one hunt, because look-ups use what its reading recorded.
	Open() *Session
}

// Session is a source opened for one hunt, with one function per capability. Connections is always set; any other may
// be nil, which means that this source does not support it.
//
// All functions that read a window return every record of it, or say in Gaps what is missing, or return an error. They
// never drop a record silently. Batches are reused after emit returns. emit may be called from several goroutines at
// once; its error stops the reading and is returned. A look-up batches its requests instead of sending one per item.
// From and To are set in all requests except those of Connections, Sightings, Sensors and Plan.
type Session struct {
	// Connections emits the connections in scope that start in [Reading.Window.ReadFrom(), Reading.Window.End), each
	// exactly once, and those that started earlier and were still open at the window's start.
	Connections func(ctx context.Context, req Request, emit func([]Connection) error) (Reading, error)
	// Names emits the records of ssl and http logs whose source is internal. Connect records are in scope whatever the
	// proxy's address. Missing logs are a Note.
	Names func(ctx context.Context, req Request, emit func([]NameRecord) error) (Reading, error)
	// DNS emits the queries of internal clients, whatever the resolver's address.
	DNS func(ctx context.Context, req Request, emit func([]DNSRecord) error) (Reading, error)
	// Answers fills in Bytes and Addresses of each entry, for sources whose DNS emits queries without answers.
	Answers func(ctx context.Context, req Request, wanted []Answers) (Remarks, error)
	// Signatures emits those of internal sources to destinations in scope, with duplicates.
	Signatures func(ctx context.Context, req Request, emit func([]Signature) error) (Reading, error)
	// Sightings emits when each destination was seen, without its connections, so that weeks of the past are cheap. It
	// determines the window as Connections does. A destination may come several times; its spans then add up.
	Sightings func(ctx context.Context, req Request, emit func([]Sighting) error) (Reading, error)
	// Facts returns what logs other than conn say about some candidates. Candidates by name match server name and Host
	// on any port, others match address (or network) and port.
	Facts func(ctx context.Context, req Request, wanted []PairKey) (FactBook, Remarks, error)
	// Suspects returns the pairs and domains that logs other than conn make worth a look whatever their rhythm, given
	// the TLS fingerprints and certificate hashes of indicator lists in lower case.
	Suspects func(ctx context.Context, req Request, listed []string) ([]Suspect, Remarks, error)
	// Owners returns the holders of external addresses. Unknown addresses are absent.
	Owners func(ctx context.Context, req Request, addrs []netip.Addr) (map[netip.Addr]Owner, Remarks, error)
	// Hosts identifies the hosts of internal addresses: names since [NamesFrom], the rest in the window. Unknown
	// addresses are absent. With talk it also reads the hosts' HTTP requests and the network's DNS answers, large logs
	// that are worth reading for one host.
	Hosts func(ctx context.Context, req Request, addrs []netip.Addr, talk bool) (map[netip.Addr]*HostLogs, Remarks, error)
	// Contacts returns one host's internal connections in the window, and who else contacts some external addresses.
	Contacts func(ctx context.Context, req Request, addr netip.Addr, outside []netip.Addr) (Contacts, Remarks, error)
	// Hours determines the window as Connections does and returns the state of each whole hour in it (UTC, by its start
	// in Unix milliseconds). For the hours in seen it also counts what arrived after the newest record seen.
	Hours func(ctx context.Context, req Request, seen map[int64]HourState) (Window, map[int64]Hour, Remarks, error)
	// Coverage returns how much of the traffic was seen.
	Coverage func(ctx context.Context, req Request) (Coverage, Remarks, error)
	// Sensors determines the window and returns a source for each sensor with connections in it, sorted by name.
	Sensors func(ctx context.Context, req Request) (Window, []SensorPart, Remarks, error)
	// Samples fills in sensor, source port and Zeek uid of each finding's last connection if Connections leaves them
	// out. If that connection is gone, the finding is unchanged.
	Samples func(ctx context.Context, findings []Finding) (Remarks, error)
	// UIDs emits start, ends, ports and uid of the connections from one source to some destinations that start in
	// [From, To), if Connections leaves uids out. A connection seen by several sensors comes once per sensor.
	UIDs func(ctx context.Context, req Request, src netip.Addr, to []netip.Addr, emit func([]Connection) error) error
	// Name predicts Reading.Source, so that a hunt's identity is known before it. Clusters that do not answer do not
	// change it.
	Name func(ctx context.Context) (string, error)
	// Newest returns the start of the newest connection, in scope or not, ignoring starts in the future; zero if there
	// is none.
	Newest func(ctx context.Context) (time.Time, error)
	// Earliest returns since when each candidate is known from history. Wanted holds the first check-in that the window
	// knows of each, or the zero time; history is searched before a time. Unknown ones are absent.
	Earliest func(ctx context.Context, wanted map[PairKey]time.Time, before time.Time) (map[PairKey]Earliest, error)
	// Starts returns the start times of some candidates before a time from history, in Unix milliseconds, ascending;
	// for very many, the newest.
	Starts func(ctx context.Context, wanted []PairKey, before time.Time) (map[PairKey][]int64, error)
	// Began records change points, for later calls of Earliest.
	Began func(ctx context.Context, since map[PairKey]time.Time) error
	// Close frees the session's resources. It is called once, after the hunt has read everything or failed.
	Close func() error
	// Plan describes in sentences what would be read, without reading records.
	Plan func(ctx context.Context, req Request) ([]string, error)
}

// SensorPart is the source of one sensor's records. Name is empty for records without a sensor.
type SensorPart struct {
	Name   string
	Source Source
}

// HourState identifies the records of an hour: while it is unchanged, none was added or removed.
type HourState struct {
	// Records is their number, over all logs that a hunt reads.
	Records int64 `json:"records"`
	// Arrived is when the newest arrived, in Unix milliseconds; 0 if the source does not know.
	Arrived int64 `json:"arrived,omitempty"`
}

// Earliest is since when a candidate is known from history.
type Earliest struct {
	// First is the start of its first record, HistoryStart the start of what was kept at that time.
	First, HistoryStart time.Time
	// RhythmSince is the change point recorded before, or zero.
	RhythmSince time.Time
}

// Hour is the current state of an hour, and how many of its records arrived after those seen before.
type Hour struct {
	HourState
	Later int64
}
