package elastic

import (
	"fmt"
	"sync/atomic"
	"time"

	"dwell/internal/hunt"
	"dwell/query/once"
)

// clockFault: a start that is this far in the future has a wrong clock.
const clockFault = 24 * time.Hour

// firstOnly passes on a connection when it comes for the first time: documents are delivered twice, and two sensors see
// the same packets.
type firstOnly struct {
	set *once.Set
	// every is [hunt.Request.EveryRecord]: what two sensors saw counts twice. Without uids, equal records are one.
	every bool
	emit  func([]hunt.Connection) error
	came  atomic.Int64
	// latest is a time at which no connection can have ended yet, Unix milliseconds; wrong counts those that would
	// have.
	latest int64
	wrong  atomic.Int64
	ended  *hunt.Ended
}

func (f *firstOnly) take(batch []hunt.Connection) error {
	n, again := 0, int64(0)
	for _, c := range batch {
		if c.Duration > 0 && c.Start+c.Duration > f.latest {
			f.wrong.Add(1)
			c.Duration = hunt.Absent
		}
		if c.Count > 1 && f.set.Hash(&c) != 0 {
			again += c.Count - 1
			c.Count = 1
		}
		if !f.every && c.State != hunt.StateMiddle && f.set.Again(&c) {
			again += c.Count
			continue
		}
		batch[n] = c
		n++
	}
	f.came.Add(again)
	if n == 0 {
		return nil
	}
	f.ended.Add(batch[:n])
	return f.emit(batch[:n])
}

// cameTwice is the hint of a note on repeats.
const cameTwice = "documents were delivered twice, or several sensors see the same traffic; `--by-sensor` hunts in each one's alone"

// tell reports repeats.
func (f *firstOnly) tell(out *hunt.Reading) {
	if n := f.wrong.Load(); n > 0 {
		out.Notes = append(out.Notes, hunt.Note{Where: out.Source, Hint: "the sensor's clock was wrong",
			What: fmt.Sprintf("connections that would end in the future, which no clock that runs right gives; they count without a duration: %d", n)})
	}
	again := f.came.Load()
	if again == 0 {
		return
	}
	out.Connections -= again
	out.Notes = append(out.Notes, hunt.Note{Where: out.Source,
		What: fmt.Sprintf("records of connections that came already, and count once: %s of %s", hunt.Count(again), hunt.Count(out.Records)),
		Hint: cameTwice})
	if f.set.Forgot() {
		out.Notes = append(out.Notes, once.Forgotten("connections", once.Most))
	}
}
