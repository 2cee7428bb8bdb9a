using System.Collections.Concurrent;
using System.Text.Json;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Operations.Tests.Schedules;

/// <summary>Seats and the orchestrator, as far as the cancellation of a schedule needs them.</summary>
internal sealed class ScheduleOwners : IAsyncDisposable
{
    public const int ScheduleId = 7;

    public static readonly DateTimeOffset CancelledAt = new(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly WebApplication _app;

    private ScheduleOwners(WebApplication app) => _app = app;

    public string Address => _app.Urls.Single();

    /// <summary>Reservations that can be cancelled.</summary>
    public ConcurrentDictionary<Guid, bool> Cancellable { get; } = new();

    /// <summary>The action ids of each cancelled reservation.</summary>
    public ConcurrentDictionary<Guid, ConcurrentBag<Guid>> Changes { get; } = new();

    /// <summary>The requests that ended the sale.</summary>
    public ConcurrentQueue<CancelSchedule> Cancellations { get; } = new();

    /// <summary>The filters of the choices.</summary>
    public ConcurrentQueue<JsonElement> Filters { get; } = new();

    /// <summary>How many requests to end the sale fail.</summary>
    public int Failures;

    /// <summary>A reservation whose customer has cancelled it meanwhile.</summary>
    public Guid Skipped { get; set; }

    /// <summary>How many reservations a choice returns at most, whatever limit it asks for.</summary>
    public int MaxChosen { get; set; } = int.MaxValue;

    public static async Task<ScheduleOwners> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        var owners = new ScheduleOwners(app);
        app.MapGet("/internal/schedules/{id:int}", (int id) => id == ScheduleId
            ? Results.Json(new ScheduleConcert(id, 1, CancelledAt.AddDays(30))) : Results.NotFound());
        app.MapPost("/internal/schedules/{id:int}/cancel", (int id, CancelSchedule command) => owners.Cancel(command));
        app.MapPost("/internal/reservations/choice", (JsonElement choice) => owners.Choose(choice));
        app.MapPost("/internal/reservations/changes",
            (BulkChange change) => Array.ConvertAll(change.Items, item => owners.Change(change, item)));
        await app.StartAsync();
        return owners;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private IResult Cancel(CancelSchedule command)
    {
        if (Interlocked.Decrement(ref Failures) >= 0)
            return Results.StatusCode(503);
        Cancellations.Enqueue(command);
        return Results.Json(new CancelledSchedule(CancelledAt));
    }

    private IResult Choose(JsonElement choice)
    {
        Filters.Enqueue(choice.GetProperty("filter").Clone());
        // The sale goes on until Seats has ended it, so nothing may be chosen before.
        return Cancellations.IsEmpty ? Results.StatusCode(500) : Results.Json(new BulkChosen<Guid, int>(
            [.. Cancellable.Keys.Order().Take(Math.Min(choice.GetProperty("limit").GetInt32(), MaxChosen))], []));
    }

    private BulkResult Change(BulkChange change, BulkItem item)
    {
        if (!change.Starts)
            return item.Id == Skipped ? new BulkResult(item.ActionId, ItemOutcome.Skipped, "The reservation is Expired.")
                : new BulkResult(item.ActionId, ItemOutcome.Succeeded, null);
        Changes.GetOrAdd(item.Id, _ => []).Add(item.ActionId);
        Cancellable.TryRemove(item.Id, out _);
        return new BulkResult(item.ActionId, change.Action == "CancelSchedule" ? null : ItemOutcome.Failed, null);
    }
}
