//! `FundingService`: the queries of the rulebook §13, over one state and the rows up to its height.

mod changes;
mod grants;
mod history;
mod levies;
mod money;
mod organisations;
mod past;

use crate::core::Core;
use octroi_proto::v1::{self as pb, funding_service_server::FundingService};
use tonic::{Request, Response, Status};

/// The service.
pub(crate) struct Funding(pub(crate) Core);

/// Each query is a function of the core and the request, run off the threads that carry connections.
macro_rules! queries {
    ($($name:ident($request:ident) -> $response:ident = $($query:ident)::+;)+) => {
        #[tonic::async_trait]
        impl FundingService for Funding {
            $(async fn $name(&self, request: Request<pb::$request>) -> Result<Response<pb::$response>, Status> {
                let request = request.into_inner();
                self.0.scan(move |core| $($query)::+(core, request)).await.map(Response::new)
            })+
        }
    };
}

queries! {
    get_organisation(GetOrganisationRequest) -> GetOrganisationResponse = organisations::get;
    find_organisation(FindOrganisationRequest) -> FindOrganisationResponse = organisations::find;
    get_project(GetProjectRequest) -> GetProjectResponse = organisations::project;
    list_projects(ListProjectsRequest) -> ListProjectsResponse = organisations::projects;
    get_grant_history(GetGrantHistoryRequest) -> GetGrantHistoryResponse = history::get;
    list_grants(ListGrantsRequest) -> ListGrantsResponse = history::list;
    get_grant(GetGrantRequest) -> GetGrantResponse = grants::get;
    list_tranches(ListTranchesRequest) -> ListTranchesResponse = grants::tranches;
    get_call(GetCallRequest) -> GetCallResponse = grants::call;
    list_calls(ListCallsRequest) -> ListCallsResponse = grants::calls;
    list_applications(ListApplicationsRequest) -> ListApplicationsResponse = grants::applications;
    get_promise(GetPromiseRequest) -> GetPromiseResponse = money::promise;
    get_levy_status(GetLevyStatusRequest) -> GetLevyStatusResponse = levies::status_of;
    explain_assessment(ExplainAssessmentRequest) -> ExplainAssessmentResponse = levies::explain;
    list_levies(ListLeviesRequest) -> ListLeviesResponse = levies::list;
    get_fund(GetFundRequest) -> GetFundResponse = money::fund;
    list_funds(ListFundsRequest) -> ListFundsResponse = money::funds;
    list_changes(ListChangesRequest) -> ListChangesResponse = changes::list;
    get_change(GetChangeRequest) -> GetChangeResponse = changes::get;
    get_reconciliation(GetReconciliationRequest) -> GetReconciliationResponse = money::reconciliation;
    get_source_file(GetSourceFileRequest) -> GetSourceFileResponse = past::source_file;
}
