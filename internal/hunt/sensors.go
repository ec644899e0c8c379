package hunt

import "context"

// SensorPart is a source that gives what one sensor saw, and nothing else.
type SensorPart struct {
	Name   string
	Source Source
}

// SensorSource is a source that can be taken apart by sensor, for sites whose addresses overlap.
type SensorSource interface {
	// BySensor settles the window of a request and gives the sensors that have connections in it, by name.
	BySensor(ctx context.Context, req Request) (Window, []SensorPart, []Note, error)
}
