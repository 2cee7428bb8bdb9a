using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.DevReceiver;

/// <summary>The settings of a receiver.</summary>
public sealed record ReceiverOptions
{
    /// <summary>The port; 0 chooses a free one.</summary>
    public int Port { get; init; }

    /// <summary>Whether other machines can connect; otherwise it listens on loopback.</summary>
    public bool IsOpen { get; init; }

    /// <summary>The secrets that may sign a request.</summary>
    public required IReadOnlyList<string> Secrets { get; init; }

    /// <summary>The initial faults.</summary>
    public Behaviour Behaviour { get; init; } = new();

    /// <summary>The number of events to remember; each takes a few hundred bytes.</summary>
    public int Remembered { get; init; } = 100_000;

    /// <summary>The seed of random choices, to repeat a run; null for a random one.</summary>
    public int? Seed { get; init; }

    /// <summary>Whether SIGTERM and SIGINT stop it, as in a process of its own.</summary>
    public bool StopsOnSignals { get; init; }

    /// <summary>The clock that checks timestamps.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}

/// <summary>
/// Plays a small data platform: it accepts signed events at <c>POST /events</c>, remembers them, and simulates faults. It
/// answers a duplicate with 204 and counts it. It answers 401 without a valid signature, and 400 without a valid event.
/// </summary>
public sealed class Receiver : IAsyncDisposable
{
    private const int MaxBodyBytes = 256 * 1024;

    private readonly WebApplication _app;
    private readonly ReceiverOptions _options;
    private readonly WebhookSignatures _signatures;
    private readonly ReceivedEvents _events;
    private readonly Random _random;
    private readonly Lock _choosing = new();
    private volatile Behaviour _behaviour;

    private Receiver(WebApplication app, ReceiverOptions options)
    {
        _app = app;
        _options = options;
        _signatures = new WebhookSignatures(options.Secrets, options.Clock);
        _events = new ReceivedEvents(options.Remembered, options.Clock.GetUtcNow());
        // It only decides which requests fail.
#pragma warning disable CA5394
        _random = options.Seed is { } seed ? new Random(seed) : new Random();
#pragma warning restore CA5394
        _behaviour = options.Behaviour.Checked();
        app.MapPost("/events", HandleEventAsync);
        app.MapGet("/received", (int? last) => last is null or (>= 0 and <= ReceivedEvents.MaxBodies)
            ? Results.Ok(Report(last ?? 20)) : Results.BadRequest($"last must be between 0 and {ReceivedEvents.MaxBodies}."));
        app.MapGet("/received/{reservationId:guid}", (Guid reservationId) => _events.Of(reservationId));
        app.MapGet("/behaviour", () => Behaviour);
        app.MapPost("/behaviour", Change);
        app.MapGet("/health/ready", () => Results.Ok(new { status = "Healthy" }));
    }

    /// <summary>The address that accepts events.</summary>
    public Uri Address =>
        new(new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()), "/events");

    /// <summary>The secrets that may sign a request.</summary>
    public IReadOnlyList<string> Secrets => _options.Secrets;

    /// <summary>The current faults; can change at any time.</summary>
    public Behaviour Behaviour
    {
        get => _behaviour;
        set => _behaviour = value.Checked();
    }

    /// <summary>Starts a receiver in this process.</summary>
    /// <exception cref="FormatException">An option is out of its limits; the message names it.</exception>
    /// <exception cref="IOException">The port is in use.</exception>
    public static async Task<Receiver> StartAsync(ReceiverOptions options)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Logging.ClearProviders();
        // Inside another program, the signals of the process belong to its own host.
        if (!options.StopsOnSignals)
            builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(options.IsOpen ? IPAddress.Any : IPAddress.Loopback, options.Port);
            kestrel.Limits.MaxRequestBodySize = MaxBodyBytes;
            kestrel.AddServerHeader = false;
        });
        var app = builder.Build();
        try
        {
            var receiver = new Receiver(app, options);
            await app.StartAsync();
            return receiver;
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }
    }

    /// <summary>Returns the counts, and the newest <paramref name="last"/> events with their bodies.</summary>
    public ReceivedReport Report(int last = 0) => _events.Report(last);

    /// <summary>Returns the events of a reservation in order of arrival.</summary>
    public IReadOnlyList<ReceivedEvent> EventsOf(Guid reservationId) => _events.Of(reservationId);

    /// <summary>Serves until the process receives a signal to stop.</summary>
    public Task WaitForShutdownAsync() => _app.WaitForShutdownAsync();

    /// <inheritdoc />
    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task HandleEventAsync(HttpContext context)
    {
        var behaviour = _behaviour;
        var (fate, early) = Choose(behaviour);
        using var buffer = new MemoryStream();
        await context.Request.Body.CopyToAsync(buffer, context.RequestAborted);
        var body = buffer.GetBuffer().AsMemory(0, (int)buffer.Length);
        if (behaviour.Delay > TimeSpan.Zero)
            await Task.Delay(behaviour.Delay, _options.Clock, context.RequestAborted);

        if (fate == Fate.Reset && early)
        {
            Reset(context);
            return;
        }
        if (fate == Fate.Fail)
        {
            Fail(context.Response, behaviour);
            return;
        }
        var headers = context.Request.Headers;
        var id = headers["webhook-id"].ToString();
        if (_signatures.FindFault(id, headers["webhook-timestamp"].ToString(), headers["webhook-signature"].ToString(), body.Span)
            is { } fault)
        {
            await RefuseAsync(context.Response, StatusCodes.Status401Unauthorized, fault);
            return;
        }
        if (WebhookEvent.Read(body) is not { } content)
        {
            await RefuseAsync(context.Response, StatusCodes.Status400BadRequest, "the body is not an event with type, timestamp and data");
            return;
        }
        _events.Add(id, content, _options.Clock.GetUtcNow(), body.Span);
        if (fate == Fate.Reset)
            Reset(context);
        else
            context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private (Fate Fate, bool Early) Choose(Behaviour behaviour)
    {
        if (behaviour is { FailRate: 0, ResetRate: 0 })
            return (Fate.Accept, false);
        lock (_choosing)
        {
#pragma warning disable CA5394 // It only decides which requests fail.
            var (reset, early, fail) = (_random.NextDouble() < behaviour.ResetRate, _random.Next(2) == 0,
                _random.NextDouble() < behaviour.FailRate);
#pragma warning restore CA5394
            return (reset ? Fate.Reset : fail ? Fate.Fail : Fate.Accept, early);
        }
    }

    private void Fail(HttpResponse response, Behaviour behaviour)
    {
        _events.RecordFailure();
        response.StatusCode = behaviour.Status;
        if (behaviour.Status < 400)
            // The location would accept the event, so the report exposes a sender that follows redirects.
            response.Headers.Location = Address.AbsoluteUri;
        if (behaviour.RetryAfter is { } seconds)
            response.Headers.RetryAfter = behaviour.RetryAfterAsDate
                ? _options.Clock.GetUtcNow().AddSeconds(seconds).ToString("R", CultureInfo.InvariantCulture)
                : seconds.ToString(CultureInfo.InvariantCulture);
    }

    private void Reset(HttpContext context)
    {
        _events.RecordReset();
        // With a linger time of zero, closing the socket sends RST instead of FIN.
        if (context.Features.Get<IConnectionSocketFeature>()?.Socket is { } socket)
            socket.LingerState = new LingerOption(true, 0);
        context.Abort();
    }

    private Task RefuseAsync(HttpResponse response, int status, string reason)
    {
        _events.RecordRefusal(reason);
        response.StatusCode = status;
        return response.WriteAsync(reason);
    }

    private IResult Change(BehaviourChange change)
    {
        try
        {
            return Results.Ok(Behaviour = change.ApplyTo(Behaviour));
        }
        catch (FormatException exception)
        {
            return Results.BadRequest(exception.Message);
        }
    }

    private enum Fate
    {
        Accept,
        Fail,
        Reset
    }

    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
