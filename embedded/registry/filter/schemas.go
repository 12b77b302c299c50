package filter

// The schemas of MLflow's searches.
var (
	Runs = &Schema{
		Plain: Attribute,
		Entities: map[string]Entity{
			"metric": Metric, "metrics": Metric,
			"param": Param, "params": Param, "parameter": Param, "parameters": Param,
			"tag": Tag, "tags": Tag,
			"attribute": Attribute, "attributes": Attribute, "attr": Attribute, "run": Attribute,
			"dataset": Dataset, "datasets": Dataset,
		},
		Attrs: map[string]Attr{
			"run_id":   {Name: "run_id", Ops: listOps},
			"run_name": {Name: "run_name"}, "run name": {Name: "run_name"}, "Run name": {Name: "run_name"}, "Run Name": {Name: "run_name"},
			"user_id":      {Name: "user_id"},
			"status":       {Name: "status"},
			"artifact_uri": {Name: "artifact_uri"},
			"start_time":   {Name: "start_time", Kind: numberKind},
			"created":      {Name: "start_time", Kind: numberKind},
			"Created":      {Name: "start_time", Kind: numberKind},
			"end_time":     {Name: "end_time", Kind: numberKind},
		},
		Ops: map[Entity][]Op{Metric: numberOps, Param: tagOps, Tag: tagOps, Dataset: listOps},
		Keys: map[Entity][]string{
			Dataset: {"name", "digest", "context"},
		},
		Ordered: []Entity{Metric, Param, Tag},
	}
	Experiments = &Schema{
		Plain:    Attribute,
		Entities: map[string]Entity{"tag": Tag, "tags": Tag, "attribute": Attribute, "attributes": Attribute, "attr": Attribute},
		Attrs: map[string]Attr{
			"name":             {Name: "name"},
			"experiment_id":    {Name: "experiment_id", Ops: listOps},
			"creation_time":    {Name: "creation_time", Kind: numberKind},
			"last_update_time": {Name: "last_update_time", Kind: numberKind},
		},
		Ops: map[Entity][]Op{Tag: tagOps},
	}
	RegisteredModels = &Schema{
		Plain:    Attribute,
		Entities: map[string]Entity{"tag": Tag, "tags": Tag, "attribute": Attribute, "attributes": Attribute, "attr": Attribute},
		Attrs: map[string]Attr{
			"name":                   {Name: "name", Ops: listOps},
			"timestamp":              {Name: "last_updated_timestamp", NoFilter: true},
			"last_updated_timestamp": {Name: "last_updated_timestamp", NoFilter: true},
		},
		Ops: map[Entity][]Op{Tag: stringOps},
	}
	ModelVersions = &Schema{
		Plain:    Attribute,
		Entities: map[string]Entity{"tag": Tag, "tags": Tag, "attribute": Attribute, "attributes": Attribute, "attr": Attribute},
		Attrs: map[string]Attr{
			"name":                   {Name: "name", Ops: listOps},
			"run_id":                 {Name: "run_id", Ops: listOps, NoOrder: true},
			"source_path":            {Name: "source_path", NoOrder: true},
			"version_number":         {Name: "version_number", Kind: numberKind},
			"creation_timestamp":     {Name: "creation_timestamp", NoFilter: true},
			"last_updated_timestamp": {Name: "last_updated_timestamp", NoFilter: true},
		},
		Ops: map[Entity][]Op{Tag: stringOps},
	}
	LoggedModels = &Schema{
		Plain: Attribute,
		Entities: map[string]Entity{
			"metric": Metric, "metrics": Metric, "param": Param, "params": Param, "parameter": Param, "parameters": Param,
			"tag": Tag, "tags": Tag, "attribute": Attribute, "attributes": Attribute, "attr": Attribute,
		},
		Attrs: map[string]Attr{
			"name":                   {Name: "name", Ops: listOps},
			"model_id":               {Name: "model_id", Ops: listOps},
			"model_type":             {Name: "model_type", Ops: listOps},
			"status":                 {Name: "logged_model_status", Ops: []Op{Eq, Ne}},
			"source_run_id":          {Name: "source_run_id", Ops: listOps},
			"creation_time":          {Name: "creation_timestamp", Kind: numberKind},
			"creation_timestamp":     {Name: "creation_timestamp", Kind: numberKind},
			"creation_timestamp_ms":  {Name: "creation_timestamp", Kind: numberKind},
			"last_updated_time":      {Name: "last_updated_timestamp", Kind: numberKind},
			"last_updated_timestamp": {Name: "last_updated_timestamp", Kind: numberKind},
		},
		Ops:     map[Entity][]Op{Metric: numberOps, Param: stringOps, Tag: stringOps},
		Ordered: []Entity{Metric},
	}
	Traces = &Schema{
		Plain: Attribute,
		Entities: map[string]Entity{
			"tag": Tag, "tags": Tag, "attribute": Attribute, "attributes": Attribute, "trace": Attribute,
			"metadata": Metadata, "request_metadata": Metadata, "span": Span, "feedback": Feedback, "expectation": Expectation,
		},
		Attrs: map[string]Attr{
			"name":              {Name: "name", Ops: traceAttrs},
			"status":            {Name: "status", Ops: traceAttrs},
			"request_id":        {Name: "trace_id", Ops: traceAttrs},
			"trace_id":          {Name: "trace_id", Ops: traceAttrs},
			"client_request_id": {Name: "client_request_id", Ops: traceAttrs, NoOrder: true},
			"run_id":            {Name: "run_id", Ops: traceAttrs},
			"prompt":            {Name: "prompt", Ops: []Op{Eq}, NoOrder: true},
			"text":              {Name: "text", Ops: []Op{Like, ILike}, NoOrder: true},
			"experiment_id":     {Name: "experiment_id", NoFilter: true},
			"timestamp":         {Name: "timestamp", Kind: numberKind}, "timestamp_ms": {Name: "timestamp", Kind: numberKind},
			"end_time": {Name: "end_time", Kind: numberKind}, "end_time_ms": {Name: "end_time", Kind: numberKind},
			"execution_time": {Name: "execution_time", Kind: numberKind}, "execution_time_ms": {Name: "execution_time", Kind: numberKind},
		},
		Ops: map[Entity][]Op{
			Tag: regexOps, Metadata: regexOps,
			Span:     {Eq, Ne, Like, ILike, RLike, In, NotIn},
			Feedback: {Eq, Ne, Lt, Le, Gt, Ge, Like, ILike, RLike, IsNull, IsNotNull}, Expectation: {Eq, Ne, Lt, Le, Gt, Ge, Like, ILike, RLike, IsNull, IsNotNull},
		},
		Keys:    map[Entity][]string{Span: {"name", "type", "status", "content"}},
		Ordered: []Entity{Tag, Metadata},
	}
)
