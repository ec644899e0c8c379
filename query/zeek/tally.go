package zeek

import (
	"fmt"
	"maps"
	"math"
	"sync"
	"time"

	"dwell/internal/hunt"
)

// setBack is how far both start and end of a record have to lie before those of an earlier one to speak of a clock
// that was set back. Zeek writes a connection when it is over, so starts are never in order.
const setBack = int64(time.Hour / time.Millisecond)

// stragglers is how many records in a row may lie that far back before it is the clock: Zeek writes a connection that
// times out hours after its last packet, but among others.
const stragglers = 16

// moment is when a record's connection began and ended, Unix milliseconds.
type moment struct{ start, end int64 }

// clock follows the times of records in the order of a file, to notice where the sensor's clock was set back.
type clock struct {
	front moment
	// behind is how many records in a row lie far before front, line the first of them.
	behind, line int64
}

// step takes the next record. When time has gone back it gives the line from which on, otherwise 0.
func (c *clock) step(m moment, line int64) int64 {
	if m.start >= c.front.start-setBack || m.end >= c.front.end-setBack {
		c.front, c.behind = m, 0
		return 0
	}
	if c.behind == 0 {
		c.line = line
	}
	if c.behind++; c.behind <= stragglers {
		return 0
	}
	c.front, c.behind = m, 0
	return c.line
}

// counts are what reading a part of a file, or all of it, came to.
type counts struct {
	// records are the records of the log's kind, in scope or not; bad lines are not among them.
	records int64
	// kept are those in scope, emitted those that were handed on.
	kept, emitted int64
	// oldest and newest are the starts of the first and the last record in scope; first and last those of all.
	oldest, newest, first, last int64
	// bad lines, the number of the first one and why it is bad; torn is a bad last line without an end.
	bad     int64
	badLine int64
	badWhy  problem
	torn    int64
	tornWhy problem
	// foreign are records of other logs in the same file.
	foreign int64
	// odd are records of which a value could not be read, oddLine the first of them.
	odd, oddLine int64
	// negative are durations below zero, steps the places where the clock was set back, stepLine the first of them.
	negative, steps, stepLine int64
	// minutes (since 1970) in which records begin, where the scan asks for them; minute is the last one noted.
	minutes map[int64]struct{}
	minute  int64
}

// at notes the minute of a record.
func (c *counts) at(ms int64) {
	minute := ms / 60_000
	if minute == c.minute {
		return
	}
	if c.minutes == nil {
		c.minutes = map[int64]struct{}{}
	}
	c.minutes[minute], c.minute = struct{}{}, minute
}

func newCounts() counts {
	return counts{oldest: math.MaxInt64, newest: math.MinInt64, first: math.MaxInt64, last: math.MinInt64}
}

func (c *counts) add(o *counts) {
	c.records += o.records
	c.kept += o.kept
	c.emitted += o.emitted
	c.oldest, c.newest = min(c.oldest, o.oldest), max(c.newest, o.newest)
	c.first, c.last = min(c.first, o.first), max(c.last, o.last)
	if o.bad > 0 && (c.bad == 0 || o.badLine < c.badLine) {
		c.badLine, c.badWhy = o.badLine, o.badWhy
	}
	c.bad += o.bad
	if o.torn > 0 {
		c.torn, c.tornWhy = o.torn, o.tornWhy
	}
	c.foreign += o.foreign
	if o.odd > 0 && (c.odd == 0 || o.oddLine < c.oddLine) {
		c.oddLine = o.oddLine
	}
	c.odd += o.odd
	c.negative += o.negative
	if o.steps > 0 && (c.steps == 0 || o.stepLine < c.stepLine) {
		c.stepLine = o.stepLine
	}
	c.steps += o.steps
	if c.minutes == nil {
		c.minutes = o.minutes
	} else {
		maps.Copy(c.minutes, o.minutes)
	}
}

// step counts a place where the clock was set back.
func (c *counts) step(line int64) {
	if c.steps == 0 {
		c.stepLine = line
	}
	c.steps++
}

// tally is what one pass over a file came to. Parts of the file are added by several goroutines.
type tally struct {
	mu sync.Mutex
	counts
	// ended is why reading stopped before the end of the file, or nil.
	ended error
	// read says that a pass went over the file at all.
	read bool
}

func (t *tally) add(c *counts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.add(c)
}

func (t *tally) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts, t.ended, t.read = newCounts(), nil, true
}

// report collects notes and gaps.
type report struct {
	notes, gaps []hunt.Note
	// bad are files that could not be read. They are gaps, or the reason of the error when nothing could be read.
	bad []hunt.Note
}

func (r *report) note(n hunt.Note) { r.notes = append(r.notes, n) }
func (r *report) gap(n hunt.Note)  { r.gaps = append(r.gaps, n) }

// tell says what was odd about a file that was read.
func (r *report) tell(f *logFile) {
	c := &f.tally.counts
	if f.empty {
		r.note(hunt.Note{What: "this log is empty", Where: f.path, Count: 1})
		return
	}
	if f.tally.ended != nil && c.records == 0 {
		r.gap(hunt.Note{What: fmt.Sprintf("nothing of this log could be read: %v", f.tally.ended), Where: f.path,
			Hint: "if Zeek has just rotated it, run the hunt again", Count: 1})
	} else if f.tally.ended != nil {
		r.gap(hunt.Note{What: fmt.Sprintf("the file ends early (%v); records read before that: %d", f.tally.ended, c.records),
			Where: f.path, Hint: "copy it again, or wait until Zeek has finished it", Count: 1})
	}
	if c.bad > 0 {
		r.gap(hunt.Note{What: badLines(c),
			Where: f.path, Hint: fmt.Sprintf("look at it with: zcat -f FILE | sed -n %dp", c.badLine), Count: c.bad})
	}
	if c.torn > 0 && f.tally.ended == nil {
		r.note(hunt.Note{What: "the last line is cut off (" + string(c.tornWhy) + "); everything before it was read",
			Where: f.path, Hint: "Zeek was still writing, or the file was copied too early", Count: c.torn})
	}
	if c.foreign > 0 {
		r.note(hunt.Note{What: fmt.Sprintf("records of other logs in this file: %d; they were not wanted here", c.foreign),
			Where: f.path, Count: c.foreign})
	}
	if c.odd > 0 {
		r.note(hunt.Note{What: fmt.Sprintf("records with a value that is not of its field's type, taken as not set: %d, the first is line %d", c.odd, c.oddLine),
			Where: f.path, Count: c.odd})
	}
	if c.steps > 0 {
		r.note(hunt.Note{What: fmt.Sprintf("places where time goes back by more than an hour: %d, the first is line %d", c.steps, c.stepLine),
			Where: f.path, Hint: "fine if the file was put together from several; otherwise the sensor's clock was set back and intervals across that moment are wrong", Count: c.steps})
	}
	if c.negative > 0 {
		r.note(hunt.Note{What: fmt.Sprintf("durations below zero, taken as 0: %d", c.negative),
			Where: f.path, Hint: "the sensor's clock was set back while these connections lasted", Count: c.negative})
	}
}

// badLines is the sentence about lines that are no records.
func badLines(c *counts) string {
	if c.bad == 1 {
		return fmt.Sprintf("line %d is no record and was left out: %s", c.badLine, c.badWhy)
	}
	return fmt.Sprintf("%d lines are no records and were left out, the first is line %d: %s", c.bad, c.badLine, c.badWhy)
}
