package hunt

import (
	"time"
)

// Request is what a hunt asks of a source.
type Request struct {
	// From and To bound the window; zero means "the source decides": the span of the logs for files, the last
	// Since up to now less Settle for a cluster.
	From, To time.Time
	// Since counts back from the newest connection in scope (files) or from now less Settle (cluster). Zero with
	// From and To zero means everything for files and 24 h for a cluster. Not together with From.
	Since time.Duration
	// Settle is how long a cluster is given to index what has happened. Files ignore it.
	Settle time.Duration
	// LookBack is how long before the window connections are looked for that reach into it; 0 means DefaultLookBack, less
	// than 0 none.
	LookBack time.Duration
	// OnlyEarlier wants nothing but what began before the window and reaches into it.
	OnlyEarlier bool
	// Later, if set, narrows the records to those of some hours that arrived after a moment: the hour's start to that moment,
	// both Unix milliseconds.
	Later map[int64]int64
	// Scope settles which connections are wanted.
	Scope Scope
	// EveryRecord has each record count as it is logged, as RITA counts: one that comes again with its uid counts once, but what
	// two taps saw, what Zeek logged in pieces and what began before the window is not put together.
	EveryRecord bool
	// Progress, if set, is told now and then how far reading has come. It must not block.
	Progress func(Progress)
}

// DefaultLookBack is how long before a window connections are looked for that reach into it.
const DefaultLookBack = 31 * 24 * time.Hour

// Back is LookBack or what it stands for.
func (r *Request) Back() time.Duration {
	if r.LookBack == 0 {
		return DefaultLookBack
	}
	return max(0, r.LookBack)
}

// Progress is how far a source has come.
type Progress struct {
	// Done and Total count slices (a cluster) or bytes of log files (files); Unit says which.
	Done, Total int64
	Unit        string
	// Connections read so far.
	Connections int64
}

// Reading is what a source says about what it read.
type Reading struct {
	// Window is the window that was asked for or found.
	Window Window
	// Source names where the connections came from, fit for people: index patterns or paths. Never a secret.
	Source string
	// Records is how many records were looked at, in scope or not; out of a cluster, only those in scope are counted.
	Records int64
	// Connections is how many of them were handed on, the margin before the window included.
	Connections int64
	// Slices are the requests that a window was read in, in order of time. Files have one slice a file.
	Slices []Slice
	// Newest is when the newest connection began that the source has, in the window and in scope or not; zero where it has none
	// or does not tell.
	Newest time.Time
	// Sensors are the hours with connection records by sensor, where the source knows them after reading.
	Sensors []SensorHours
	// Logs are the hours of the window, from its start on, in which each log beside conn has records, where the source knows them.
	Logs []LogHours
	// OutOfScope is what of the window the scope leaves out although one side may be inside.
	OutOfScope OutOfScope
	// Notes are things an analyst should know but that lose nothing: a file that was no conn log, a torn last line.
	Notes []Note
	// Gaps are things that were lost. One gap makes the hunt incomplete (exit code 5).
	Gaps []Note
}

// Slice is a part of a window that was read in one go.
type Slice struct {
	// Name is the file's path, or empty for a cluster.
	Name       string    `json:"name,omitempty"`
	Start, End time.Time `json:"-"`
	// Expected is what an independent count said, Read what came. They are equal or there is a Gap. For files Expected is 0.
	Expected, Read int64
}

// Note is a sentence for people with the count it rests on.
type Note struct {
	// What happened, where (file and line, index, slice) and what to do about it; What alone must make sense.
	What, Where, Hint string
	// Count of records, lines or files concerned.
	Count int64
	// Logs are those that the note says are not there, by Zeek's names: they need not be named again.
	Logs []string
}

// Remarks are what a look-up says beside its answer: Notes and Gaps are as in a Reading.
type Remarks struct{ Notes, Gaps []Note }

// Add takes another look-up's remarks in.
func (r *Remarks) Add(more Remarks) {
	r.Notes, r.Gaps = append(r.Notes, more.Notes...), append(r.Gaps, more.Gaps...)
}

// Add takes a look-up's remarks in.
func (r *Reading) Add(more Remarks) {
	r.Notes, r.Gaps = append(r.Notes, more.Notes...), append(r.Gaps, more.Gaps...)
}

// String reads "where: what; hint".
func (n Note) String() string {
	s := n.What
	if n.Where != "" {
		s = n.Where + ": " + s
	}
	if n.Hint != "" {
		s += "; " + n.Hint
	}
	return s
}
