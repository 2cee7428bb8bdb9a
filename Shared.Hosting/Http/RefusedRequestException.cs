using ConcertSaga.Contracts;
using Microsoft.AspNetCore.Http;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>
/// Refuses a request from code that cannot return a result, such as parameter binding. The response is a problem with this code and detail.
/// The message of any other <see cref="BadHttpRequestException"/> comes from the framework and never reaches a client.
/// </summary>
/// <param name="status">The HTTP status.</param>
/// <param name="code">The stable code that clients act on.</param>
/// <param name="detail">What happened and what to do.</param>
/// <param name="member">The invalid member or parameter, for <c>errors</c>; null if there is none.</param>
/// <param name="error">The error of the member; null if the detail says it.</param>
public sealed class RefusedRequestException(int status, string code, string detail, string? member = null, string? error = null)
    : BadHttpRequestException(detail, status)
{
    /// <summary>The problem's code.</summary>
    public string Code { get; } = code;

    /// <summary>The invalid member or parameter.</summary>
    public string? Member { get; } = member;

    /// <summary>The error of the member or parameter, without its name.</summary>
    public string Error { get; } = error ?? detail;

    /// <summary>Creates the 400 for an unreadable parameter of the address.</summary>
    public static RefusedRequestException Parameter(string name, string error) =>
        new(StatusCodes.Status400BadRequest, RefusalCodes.BadRequest, $"{name}: {error}", name, error);
}
