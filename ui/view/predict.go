package view

// PredictForm asks a deployment for a prediction.
type PredictForm struct {
	Action string
	Fields []Field
	Result *Prediction
	Note   string // why there is no form
	JSON   string // what to send as it is, "" if nothing can be sent yet
	Path   string // where it is sent
}

// MaxJSON is how much JSON the form takes: it travels in an address.
const MaxJSON = 16 << 10

// Field is one input of the form.
type Field struct {
	Name  string
	Label string
	Value string
	Error string
}

// Prediction is an answer of a deployment.
type Prediction struct {
	OK      bool
	Class   string
	Plain   bool // Class is no class, but what the model has answered
	Chances []Chance
	Version string
	Took    string
	Status  int
	Message string // of an error
	Raw     string
}

// Chance is the probability of one class.
type Chance struct {
	Class string
	Share float64
	Text  string
	Best  bool
}
