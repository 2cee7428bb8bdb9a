using System.Collections.Concurrent;
using ConcertSaga.Contracts.Operations;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Operations.Tests.Customers;

/// <summary>All owners, as far as the erasure of a customer needs them.</summary>
internal sealed class CustomerOwners : IAsyncDisposable
{
    private readonly WebApplication _app;

    private CustomerOwners(WebApplication app) => _app = app;

    public string Address => _app.Urls.Single();

    /// <summary>The commands that each owner has received, in their order.</summary>
    public ConcurrentQueue<(string Owner, EraseCustomer Command)> Commands { get; } = new();

    /// <summary>How many of the next replies of an owner are lost after it has acted.</summary>
    public ConcurrentDictionary<string, int> RepliesToLose { get; } = new();

    /// <summary>How many of the next requests meet an older version of an owner, without the route.</summary>
    public ConcurrentDictionary<string, int> OlderVersions { get; } = new();

    /// <summary>How often the relay has to wait.</summary>
    public int Waits;

    /// <summary>The code with which the orchestrator refuses.</summary>
    public string? Refusal { get; set; }

    public bool HasUnfinished { get; set; }

    /// <summary>The reservations of the customer under the new id.</summary>
    public Guid[] ReservationIds { get; } = [Guid.CreateVersion7(), Guid.CreateVersion7()];

    /// <summary>The settings of an operations service that calls this stub.</summary>
    public (string, string)[] Settings =>
    [
        .. new[] { "Orchestrator", "Queue", "Seats", "Points", "Payments", "DataPlatform" }
            .Select(owner => ($"Operations:{owner}Address", Address))
    ];

    public static async Task<CustomerOwners> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        var owners = new CustomerOwners(app);
        app.MapGet("/internal/customers/reservations", (string userId) => new CustomerReservations(
            userId == "mina" ? [] : owners.ReservationIds, owners.HasUnfinished, DateTimeOffset.UnixEpoch));
        app.MapPost("/internal/customers/{owner}/erase", (string owner, EraseCustomer command) => owners.Erase(owner, command));
        await app.StartAsync();
        return owners;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private IResult Erase(string owner, EraseCustomer command)
    {
        Commands.Enqueue((owner, command));
        if (OlderVersions.TryGetValue(owner, out var older) && older > 0)
        {
            OlderVersions[owner] = older - 1;
            return Results.NotFound();
        }
        if (RepliesToLose.TryGetValue(owner, out var lost) && lost > 0)
        {
            RepliesToLose[owner] = lost - 1;
            return Results.StatusCode(StatusCodes.Status503ServiceUnavailable);
        }
        if (owner == "dataplatform" && Interlocked.Decrement(ref Waits) >= 0)
            return Results.Ok(new CustomerErasure(false, null));
        return Results.Ok(new CustomerErasure(true, owner == "orchestrator" ? Refusal : null));
    }
}
