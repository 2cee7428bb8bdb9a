using ConcertSaga.OperatorConsole.Api;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Http;

namespace ConcertSaga.OperatorConsole.Parts;

/// <summary>A page of the console.</summary>
public abstract class ConsolePage : ConsolePart
{
    [Inject]
    internal ConsoleApi Api { get; set; } = null!;

    [CascadingParameter]
    public HttpContext Http { get; set; } = null!;

    /// <summary>Why the last request failed; null if it did not.</summary>
    protected ApiProblem? Problem { get; set; }

    /// <summary>The only value of a field of the submitted form; null if it is empty.</summary>
    protected string? Field(string name) => Http.Request.Form[name] is [{ Length: > 0 } value] ? value : null;

    /// <summary>The only value of a parameter of the query; null if it is empty.</summary>
    protected string? Q(string name) => Http.Request.Query[name] is [{ Length: > 0 } value] ? value : null;

    /// <summary>The value of an answer. Keeps its problem, and its status for a page that shows nothing else.</summary>
    protected T? Take<T>(ApiAnswer<T> answer)
        where T : class
    {
        Problem ??= answer.Problem;
        if (answer.Problem?.Status == StatusCodes.Status404NotFound && HttpMethods.IsGet(Http.Request.Method))
        {
            // Components are not rendered for a response that is 404 already.
            Http.Response.OnStarting(() =>
            {
                Http.Response.StatusCode = StatusCodes.Status404NotFound;
                return Task.CompletedTask;
            });
        }
        return answer.Value;
    }

    /// <summary>Sends a change, and shows a page if it succeeded. Returns if it was refused.</summary>
    protected async Task ChangeAsync<T>(Peer peer, HttpMethod method, string path, object body, Func<T, string> next)
        where T : class
    {
        var answer = await Api.SendAsync<T>(peer, method, path, body);
        if (answer.Value is { } value)
            GoTo(next(value));
        else
            Problem = answer.Problem;
    }

    /// <summary>
    /// Sends the browser to another page. The framework's own navigation would name this host, which browsers cannot reach.
    /// </summary>
    protected void GoTo(string path)
    {
        Http.Response.StatusCode = StatusCodes.Status303SeeOther;
        Http.Response.Headers.Location = path;
    }
}
