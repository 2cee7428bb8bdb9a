using ConcertSaga.Contracts;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>
/// Collects the errors of a request by parameter or member. An unreadable request (an unknown name, a value of another type) gets a
/// <c>400</c>; a readable one with a missing or invalid value gets a <c>422</c>.
/// </summary>
internal sealed class RequestErrors
{
    private const int MaxErrors = 20;

    private readonly List<(string Member, string Error, int Status, string Code)> _all = [];

    public bool IsEmpty => _all.Count == 0;

    /// <summary>Whether further errors would not be reported.</summary>
    public bool IsFull => _all.Count >= MaxErrors;

    /// <summary>Adds an error that makes the request unreadable.</summary>
    public void Unreadable(string member, string error, string code = RefusalCodes.BadRequest) =>
        _all.Add((member, error, StatusCodes.Status400BadRequest, code));

    /// <summary>Adds a readable value that is not allowed.</summary>
    public void NotAllowed(string member, string error, string? code = null) =>
        _all.Add((member, error, StatusCodes.Status422UnprocessableEntity, code ?? RefusalCodes.Unprocessable));

    /// <summary>Creates the refusal that names all errors.</summary>
    public ProblemHttpResult ToProblem()
    {
        var status = _all.Min(entry => entry.Status);
        var codes = _all.Where(entry => entry.Status == status).Select(entry => entry.Code).Distinct().ToList();
        var general = status == StatusCodes.Status400BadRequest ? RefusalCodes.BadRequest : RefusalCodes.Unprocessable;
        var (member, error, _, _) = _all.First(entry => entry.Status == status);
        var errors = _all.Take(MaxErrors).GroupBy(entry => entry.Member)
            .ToDictionary(group => group.Key, group => group.Select(entry => entry.Error).ToArray());
        return Problems.Refuse(status, codes is [var only] ? only : general, $"{member}: {error}", ("errors", errors));
    }
}
