using ConcertSaga.Contracts.Reservations;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Benchmarks.Relays;

/// <summary>An orchestrator without reservations: the relay's reconciliation finds nothing.</summary>
internal sealed class OrchestratorStub : IAsyncDisposable
{
    private readonly WebApplication _app;

    private OrchestratorStub(WebApplication app) => _app = app;

    public Uri Address => new(_app.Urls.First());

    public static async Task<OrchestratorStub> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        app.MapGet("/internal/outcomes", () => Results.Ok(new ReservationOutcomes([], null)));
        await app.StartAsync();
        return new OrchestratorStub(app);
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
