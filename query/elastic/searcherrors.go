package elastic

import (
	"context"
	"errors"
	"fmt"

	"dwell/internal/es"
	"dwell/internal/hunt"
)

const (
	// maxTries is the number of failed tries after which a slice is a gap.
	maxTries = 3
	// maxLost is the number of failed slices in a row after which the rest is not tried: a broken index should not be
	// asked a thousand times.
	maxLost = 3
)

// trouble decides what happens to a slice that could not be read: it is put back, smaller if that helps, or becomes a
// gap. What no slice can cure is returned as an error and ends the hunt.
func (r *reading) trouble(ctx context.Context, s slice, err error) error {
	var e *es.Error
	if !errors.As(err, &e) {
		return err
	}
	s.tries++
	switch e.Kind {
	case es.TooBig:
		if !r.shrink(s.Expected) && s.To-s.From <= 1 {
			return r.giveUp(s, e)
		}
		r.note("too big", hunt.Note{What: fmt.Sprintf("the cluster answers no pages of this size (%s); went on with smaller slices", e.Type), Where: "slice " + s.String()})
		r.src.opt.Logger.Debug("slice too big for the cluster", "slice", s.String(), "error", e)
		s.tries--
		return r.cut(ctx, s)
	case es.Timeout:
		if s.To-s.From <= 1 || s.tries > maxTries {
			return r.giveUp(s, e)
		}
		r.note("timeout", hunt.Note{What: "a slice timed out; went on with slices of half the size", Where: "slice " + s.String(), Hint: e.Hint})
		r.shrink(MaxPage) // by one step from the present limit, however small this slice was: slowness may have nothing to do with its size
		return r.cut(ctx, s)
	case es.Overload:
		breaker := e.Type == "circuit_breaking_exception"
		if s.tries > maxTries && !breaker || s.tries > 2*maxTries {
			return r.giveUp(s, e)
		}
		r.note("overload", hunt.Note{What: fmt.Sprintf("the cluster was too busy (%s); went on with less load", e.Type), Where: "slice " + s.String()})
		r.slowDown()
		if err := es.Sleep(ctx, r.src.pause); err != nil {
			return err
		}
		if breaker {
			// Memory is short, and this slice needs more than is left: only a smaller one helps.
			r.shrink(s.Expected)
			return r.cut(ctx, s)
		}
		r.putBack(s)
		return nil
	case es.Partial, es.Retryable, es.Unreachable, es.NotElasticsearch: // the client has already repeated it
		if s.tries == 1 && r.goOn(ctx) {
			r.putBack(s)
			return nil
		}
		return r.giveUp(s, e)
	case es.Fatal, es.Auth, es.Permission, es.NotFound, es.Mapping, es.TLS, es.ClusterBlock, es.Conflict, es.Canceled:
	}
	return fmt.Errorf("slice %s: %w", s, err)
}

// cut puts a slice back in halves. If counting it fails, too, it is put back whole, to be tried once more.
func (r *reading) cut(ctx context.Context, s slice) error {
	parts, err := r.refine(ctx, s, max(s.Expected/2, 1))
	if es.Is(err, es.TooBig, es.Timeout, es.Overload, es.Partial, es.Retryable, es.Unreachable, es.NotElasticsearch) {
		s.tries++
		if s.tries > maxTries {
			return r.giveUp(s, err)
		}
		parts = nil
	} else if err != nil {
		return err
	}
	if len(parts) == 0 {
		if s.tries++; s.tries > maxTries+1 {
			return r.giveUp(s, errors.New("it cannot be cut smaller"))
		}
		parts = []slice{s}
	}
	for i := range parts {
		parts[i].tries = s.tries
	}
	r.putBack(parts...)
	return nil
}

// shrink halves the limits of slices and pages, starting from the size that was too large, and says whether that was
// still possible.
func (r *reading) shrink(tooMuch int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.size <= minPage {
		return false
	}
	// A page is only a little larger than its slice, so the slice was too large.
	docs := min(r.docs, tooMuch)
	r.size = max(minPage, min(r.size, int(docs+docs/8)+minPage)/2)
	r.docs = max(minPage, docs/2)
	return true
}

// slowDown ends one worker, unless it is the last.
func (r *reading) slowDown() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.alive-r.excess > 1 {
		r.excess++
	}
}

// giveUp records a slice as lost, and after several in a row all that follow.
func (r *reading) giveUp(s slice, why error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Read = 0
	r.gap(s, fmt.Sprintf("%d %s could not be read: %v", s.Expected, r.many, why))
	r.done = append(r.done, s)
	if r.lost++; r.lost >= maxLost {
		r.dead = why.Error()
	}
	return nil
}
