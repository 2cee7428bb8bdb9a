using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Orchestrator.Tests.Hosts;

/// <summary>An operator whose calls look as if the gateway forwarded them.</summary>
public sealed class Operator(OrchestratorHost host, string? roles = "ops")
{
    public const string Id = "olga", Reason = "The customer called.";

    private const string Route = "/ops/api/reservations";

    public Task<Answer> RetryAsync(Guid id, string? prefer = null) => PostAsync(id, "retry", prefer);

    public Task<Answer> CancelAsync(Guid id, string? prefer = null) => PostAsync(id, "cancel", prefer);

    /// <summary>The saga's part of the report on a reservation, as Operations reads it.</summary>
    public async Task<JsonElement> DetailsAsync(Guid id)
    {
        using var client = host.Client(null);
        return await client.GetFromJsonAsync<JsonElement>($"/internal/reservations/{id}");
    }

    public async Task<Answer> SendAsync(HttpMethod method, string below, string? body, string? prefer)
    {
        using var client = host.Client(Id);
        using var request = new HttpRequestMessage(method, Route + below);
        if (roles is not null)
            request.Headers.Add(Caller.UserRolesHeader, roles);
        if (prefer is not null)
            request.Headers.Add("Prefer", prefer);
        if (body is not null)
            request.Content = new StringContent(body, System.Text.Encoding.UTF8, "application/json");
        var response = await client.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return new Answer((int)response.StatusCode, text.Length == 0 ? default : JsonDocument.Parse(text).RootElement, response);
    }

    /// <summary>The recorded actions on a reservation, in order.</summary>
    public Task<List<OperatorAction>> ActionsAsync(Guid id) => host.DatabaseAsync(database => database.OperatorActions.AsNoTracking()
        .Where(action => action.Target == $"reservations/{id}").OrderBy(action => action.ActionId).ToListAsync());

    /// <summary>Waits until the saga has handled a number of actions on a reservation.</summary>
    public async Task<OperatorAction> UntilHandledAsync(Guid id, int count = 1)
    {
        await Testing.Eventually.TrueAsync(async () => (await ActionsAsync(id)).Count >= count, TimeSpan.FromSeconds(60),
            "the action is handled");
        return (await ActionsAsync(id))[^1];
    }

    private Task<Answer> PostAsync(Guid id, string action, string? prefer) =>
        SendAsync(HttpMethod.Post, $"/{id}/{action}", new JsonObject { ["reason"] = Reason }.ToJsonString(), prefer);
}
