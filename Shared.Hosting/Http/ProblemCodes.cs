using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>Endpoint metadata: the codes with which a route refuses under one status.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Codes">The codes of the problems.</param>
public sealed record ProblemCodes(int Status, IReadOnlyList<string> Codes);

/// <summary>Documents the refusals of routes.</summary>
public static class ProblemCodesRegistration
{
    /// <summary>Documents the codes with which a route can refuse under one status.</summary>
    public static RouteHandlerBuilder Refuses(this RouteHandlerBuilder route, int status, params string[] codes) =>
        route.ProducesProblem(status).WithMetadata(new ProblemCodes(status, codes));
}
