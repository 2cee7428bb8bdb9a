using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Operations.Tests.Console;

/// <summary>Stands in for all owners: answers each path with a given value, and keeps the requests.</summary>
internal sealed class PageOwners : IAsyncDisposable
{
    private readonly WebApplication _app;

    private PageOwners(WebApplication app) => _app = app;

    /// <summary>The value of each path. Any other path is 404.</summary>
    public ConcurrentDictionary<string, object> Answers { get; } = new();

    /// <summary>The requests, in their order, with the addresses as they were sent.</summary>
    public ConcurrentQueue<(string Method, string Address, string Body)> Requests { get; } = new();

    /// <summary>The settings of an operations service that calls this stand-in.</summary>
    public (string, string)[] Settings =>
    [
        .. new[] { "Orchestrator", "Queue", "Seats", "Points", "Payments", "DataPlatform" }
            .Select(owner => ($"Operations:{owner}Address", _app.Urls.Single()))
    ];

    public static async Task<PageOwners> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        var owners = new PageOwners(app);
        app.Run(owners.AnswerAsync);
        await app.StartAsync();
        return owners;
    }

    /// <summary>The addresses that were read below a path.</summary>
    public string[] ReadsOf(string path) => [.. Requests.Where(request => request.Method == "GET"
        && request.Address.Split('?')[0] == path).Select(request => request.Address)];

    /// <summary>The only change so far.</summary>
    public (string Method, string Address, string Body) Change => Requests.Single(request => request.Method != "GET");

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task AnswerAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body);
        Requests.Enqueue((context.Request.Method, $"{context.Request.Path}{context.Request.QueryString}", await reader.ReadToEndAsync()));
        if (Answers.TryGetValue(context.Request.Path.Value!, out var answer))
            await context.Response.WriteAsJsonAsync(answer, JsonSerializerOptions.Web);
        else
            context.Response.StatusCode = StatusCodes.Status404NotFound;
    }
}
