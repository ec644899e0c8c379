package hunt

// SensorHours is the number of a window's hours, counted from its start, in which a sensor has connection records, in
// scope or not.
type SensorHours struct {
	Name  string `json:"name"`
	Hours int64  `json:"hours"`
}

// LogHours is the number of a window's hours, counted from its start, in which a log has records, and the times of its
// first and last record in Unix milliseconds.
type LogHours struct {
	Log         string
	Hours       int64
	First, Last int64
}

// LogCoverage is the stored form of how many hours with connections (Of) another log also has records in (Hours). Whole
// means nearly all.
type LogCoverage struct {
	Log   string `json:"log"`
	Hours int64  `json:"hours"`
	Of    int64  `json:"of"`
	First Time   `json:"first"`
	Last  Time   `json:"last"`
	Whole bool   `json:"whole"`
}

// PeerLoss is what one Zeek process (a worker) reports as lost.
type PeerLoss struct {
	// Sensor and Peer identify the process; Sensor may be empty.
	Sensor, Peer string
	// Gaps of Acks acknowledgements were for data never seen (capture_loss.log).
	Gaps, Acks int64
	// Dropped of Packets never reached Zeek (stats.log).
	Dropped, Packets int64
}

// LossShare summarizes losses: percent overall, and the worst process.
type LossShare struct {
	Percent      float64 `json:"percent"`
	WorstPercent float64 `json:"worst_percent"`
	WorstPeer    string  `json:"worst_peer"`
}

// Coverage is what a source knows about the completeness of its data.
type Coverage struct {
	// Sensors by name; empty if the source does not distinguish sensors.
	Sensors []SensorHours
	// Logs other than conn, if the source knows their hours only after reading.
	Logs []LogHours
	Loss []PeerLoss
}
