//! The query engine with the pipeline's tables. It only reads.

use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider};
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as Ast;

use super::bounds::Bound;
use super::complaint::complaint;
use super::fields::FieldsOfNulls;
use super::tables::{Place, Tables};
use super::topic::{FUNCTION, TopicFunction};
use crate::error::Error;

/// What the tables' whole names begin with; nobody need write it.
const CATALOG: &str = "tidemill";
/// The same within the catalog.
const SCHEMA: &str = "store";
/// What `--memory` may all be used for.
const MEMORY_SHARE: f64 = 1.0;

/// Answers queries.
pub struct Engine {
    context: SessionContext,
    place: Arc<Place>,
}

impl Engine {
    /// An engine over these tables. Parts of topics that do not say where they begin and end take `from` and `to`.
    pub fn new(place: Arc<Place>, from: Bound, to: Bound, memory_bytes: usize) -> Result<Self, Error> {
        let failed = |error: DataFusionError| Error::Failed(error.strip_backtrace());
        let mut config = SessionConfig::new()
            .with_default_catalog_and_schema(CATALOG, SCHEMA)
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(true);
        // So that mistakes have their place in the text.
        config.options_mut().sql_parser.collect_spans = true;
        let runtime = RuntimeEnvBuilder::new().with_memory_limit(memory_bytes, MEMORY_SHARE).build_arc();
        let context = SessionContext::new_with_config_rt(config, runtime.map_err(failed)?);
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(SCHEMA, Arc::new(Tables(place.clone()))).map_err(failed)?;
        context.register_catalog(CATALOG, Arc::new(catalog));
        context.add_analyzer_rule(Arc::new(FieldsOfNulls));
        context.register_udtf(FUNCTION, Arc::new(TopicFunction { place: place.clone(), from, to }));
        Ok(Self { context, place })
    }

    /// Begins to answer a query.
    pub async fn run(&self, sql: &str) -> Result<SendableRecordBatchStream, Error> {
        let statement = self.statement(sql).map_err(|error| self.complaint(error, sql))?;
        if !reads(&statement) {
            return Err(refused(&statement.to_string()));
        }
        let planned = self.planned(statement).await;
        planned.map_err(|error| self.complaint(error, sql))
    }

    /// What an error of the engine means for who wrote the query.
    pub fn complaint(&self, error: DataFusionError, sql: &str) -> Error {
        complaint(&error, sql, &self.place)
    }

    fn statement(&self, sql: &str) -> EngineResult<Statement> {
        let state = self.context.state();
        state.sql_to_statement(sql, &state.config().options().sql_parser.dialect)
    }

    async fn planned(&self, statement: Statement) -> EngineResult<SendableRecordBatchStream> {
        let plan = self.context.state().statement_to_plan(statement).await?;
        let reading = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        reading.verify_plan(&plan)?;
        self.context.execute_logical_plan(plan).await?.execute_stream().await
    }
}

/// Whether a statement changes nothing. What is within queries is looked at once they are planned.
fn reads(statement: &Statement) -> bool {
    match statement {
        Statement::Statement(statement) => matches!(
            **statement,
            Ast::Query(_) | Ast::ExplainTable { .. } | Ast::ShowTables { .. } | Ast::ShowColumns { .. }
        ),
        Statement::Explain(explained) => reads(&explained.statement),
        _ => false,
    }
}

fn refused(statement: &str) -> Error {
    let verb = statement.split_whitespace().next().unwrap_or_default().to_uppercase();
    Error::Input(format!(
        "`sql` only reads, and {verb} does not; write SELECT, SHOW TABLES, SHOW COLUMNS, DESCRIBE or EXPLAIN, and keep rows in a file with --out"
    ))
}
