package hunt

import (
	"cmp"
	"time"
)

// Request is what a hunt asks of a source.
type Request struct {
	// From and To bound the window. If zero the source decides: files use the span of the logs, a cluster the last
	// Since up to now less Settle.
	From, To time.Time
	// Since counts back from the newest connection in scope (files) or from now less Settle (cluster). If From and To
	// are zero too, zero means everything for files and 24 h for a cluster. It excludes From.
	Since time.Duration
	// Settle is the time a cluster is given to index recent events. Files ignore it.
	Settle time.Duration
	// LookBack is how long before the window to look for connections that reach into it; 0 means DefaultLookBack,
	// negative means none.
	LookBack time.Duration
	// OnlyEarlier reads only connections that started before the window and reach into it.
	OnlyEarlier bool
	// Part is the opposite: only connections that started in the window, because the window is a part of a hunt's.
	Part bool
	// Ended, with OnlyEarlier, are the window's connections that have ended, if the hunt read them elsewhere.
	Ended *Ended
	// Begun, with OnlyEarlier, is what an earlier hunt knew of connections that are still open; the source replaces it
	// with what this one knows. Nil, or the zero Begun, has it look at all beginnings.
	Begun *Begun
	// Later, if set, restricts the records to those of some hours that arrived after a time: a map of the hour's start
	// to that time, both in Unix milliseconds.
	Later map[int64]int64
	// Scope selects the connections.
	Scope Scope
	// EveryRecord counts records as logged, as RITA does: duplicates with the same uid count once, but records of two
	// taps, of connections that Zeek logged in pieces and of those that started before the window are not merged.
	EveryRecord bool
	// Young also asks for connections that may be open and are younger than [OpenAge], without notes on open ones: for
	// who reads on later. Only files know them.
	Young bool
	// KeysAlone asks [Session.Facts] only for what TLS and HTTP records say about the candidates themselves, and for
	// nothing that is counted over the whole span.
	KeysAlone bool
	// Progress, if set, is called occasionally during reading. It must not block.
	Progress func(Progress)
}

// Begun is what a hunt knows of connections that are still open.
type Begun struct {
	// From and To are the span of the beginnings that were looked at, Unix milliseconds; To is 0 in the zero Begun.
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// Open are the connections that had not ended, of which only start, addresses and ports matter.
	Open []Connection `json:"open"`
	// Later is as in Request: records of earlier hours that arrived since.
	Later map[int64]int64 `json:"-"`
}

// DefaultLookBack is the default of Request.LookBack.
const DefaultLookBack = 31 * 24 * time.Hour

// WindowAt is the window at a moment: the given ends; missing ones count from the moment less the settle delay, and
// Since is a day if it is not given.
func (r *Request) WindowAt(now time.Time) (Window, error) {
	start, end := r.From, r.To
	if end.IsZero() {
		end = now.Add(-r.Settle)
	}
	if start.IsZero() {
		start = end.Add(-cmp.Or(r.Since, 24*time.Hour))
	}
	return NewWindow(start, end)
}

// Back is LookBack or its default.
func (r *Request) Back() time.Duration {
	if r.LookBack == 0 {
		return DefaultLookBack
	}
	return max(0, r.LookBack)
}

// Progress is how far a source has read.
type Progress struct {
	// Done and Total count slices (cluster) or bytes of log files (files); Unit says which.
	Done, Total int64
	Unit        string
	// Connections read so far.
	Connections int64
}

// Reading describes what a source read.
type Reading struct {
	// Window is the window requested or found.
	Window Window
	// Source names the connections' origin for display: index patterns or paths, without secrets.
	Source string
	// Records is the number of records examined, in scope or not; a cluster counts only those in scope.
	Records int64
	// ConnEnd is the end of all conn logs, Unix milliseconds: connections still open count up to it. Only files say so.
	ConnEnd int64
	// Connections is the number emitted, including the margin before the window.
	Connections int64
	// Slices are the requests in which a window was read, in order of time. Files have one slice per file.
	Slices []Slice
	// Newest is the start of the source's newest connection, in the window and scope or not; zero if there is none or
	// the source does not report it.
	Newest time.Time
	// Sensors are the hours with connection records by sensor, if the source knows them after reading.
	Sensors []SensorHours
	// Logs are the window's hours, from its start, in which each log other than conn has records, if the source knows
	// them.
	Logs []LogHours
	// OutOfScope is what the scope excluded in the window although one side may be internal.
	OutOfScope OutOfScope
	// Notes are remarks for the analyst without loss of data: a file that is not a conn log, a torn last line.
	Notes []Note
	// Gaps are losses. One gap makes the hunt incomplete (exit code 5).
	Gaps []Note
}

// Slice is a part of a window that was read in one go.
type Slice struct {
	// Name is the file's path, or empty for a cluster.
	Name       string    `json:"name,omitempty"`
	Start, End time.Time `json:"-"`
	// Expected is an independent count, Read what was received. They are equal, or there is a Gap. For files Expected
	// is 0.
	Expected, Read int64
}

// EmptyWindow begins the note of a source that has no connection at all in the window.
const EmptyWindow = "no connection in the window"

// Note is a remark for users, with its count.
type Note struct {
	// What happened, where (file and line, index, slice) and what to do about it. What must make sense alone.
	What, Where, Hint string
	// Logs are the logs that the note reports missing, by Zeek's names: they need not be reported again.
	Logs []string
	// During is the time of what is missing; zero if that may be any time.
	During Window
}

// Remarks are the Notes and Gaps of a look-up, as in a Reading.
type Remarks struct{ Notes, Gaps []Note }

// Add appends another look-up's remarks. What several look-ups say is said once.
func (r *Remarks) Add(more Remarks) {
	r.Notes, r.Gaps = saidOnce(r.Notes, more.Notes), saidOnce(r.Gaps, more.Gaps)
}

// Add appends a look-up's remarks, like [Remarks.Add].
func (r *Reading) Add(more Remarks) {
	r.Notes, r.Gaps = saidOnce(r.Notes, more.Notes), saidOnce(r.Gaps, more.Gaps)
}

// saidOnce appends the notes that are not there yet.
func saidOnce(notes, more []Note) []Note {
	said := map[string]bool{}
	for _, n := range notes {
		said[n.String()] = true
	}
	for _, n := range more {
		if text := n.String(); !said[text] {
			said[text] = true
			notes = append(notes, n)
		}
	}
	return notes
}

// String is "where: what; hint".
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
