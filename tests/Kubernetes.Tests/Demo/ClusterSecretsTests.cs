using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using ConcertSaga.DevReceiver;
using ConcertSaga.Kubernetes.Tests.Manifests;
using ConcertSaga.Kubernetes.Tests.Monitoring;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Kubernetes.Tests.Demo;

/// <summary>Creates the secrets of the demo overlay in a small API server.</summary>
[Collection(nameof(PublishedMetrics))]
public sealed class ClusterSecretsTests : IAsyncLifetime
{
    private readonly ConcurrentDictionary<string, Dictionary<string, string>> _secrets = new();
    private WebApplication _api = null!;
    private HttpClient _client = null!;

    private static string Templates => Manifest.Read(Manifest.Demo).Settings("demo-secrets").Data["secrets.json"];

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        _api = builder.Build();
        _api.MapPost("/api/v1/namespaces/demo/secrets", (JsonElement secret) =>
            _secrets.TryAdd(secret.GetProperty("metadata").GetProperty("name").GetString()!,
                secret.GetProperty("stringData").Deserialize<Dictionary<string, string>>()!)
                ? Results.StatusCode(201) : Results.Conflict());
        _api.MapPatch("/api/v1/namespaces/demo/secrets/{name}", (string name, HttpRequest request, [FromBody] JsonElement patch) =>
        {
            if (request.ContentType != "application/merge-patch+json"
                || patch.GetProperty("metadata").GetProperty("resourceVersion").GetString() != "7")
                return Results.Conflict();
            foreach (var (key, value) in patch.GetProperty("stringData").Deserialize<Dictionary<string, string>>()!)
                _secrets[name][key] = value;
            return Results.Ok();
        }).Accepts<JsonElement>("application/merge-patch+json");
        _api.MapGet("/api/v1/namespaces/demo/secrets/{name}", (string name) => Results.Json(new
        {
            metadata = new { resourceVersion = "7" },
            data = _secrets[name].ToDictionary(entry => entry.Key, entry => Convert.ToBase64String(Encoding.UTF8.GetBytes(entry.Value)))
        }));
        await _api.StartAsync();
        _client = new HttpClient { BaseAddress = new Uri(_api.Urls.First()) };
    }

    [Fact]
    public async Task Secrets_OfTheDemo_AreRandomAndAgree()
    {
        await new ClusterSecrets(_client, "demo").CreateFromAsync(Templates);
        var first = _secrets["seats"]["Gateway__Secret"];

        Assert.Matches("^[0-9a-f]{64}$", first);
        Assert.Equal(first, _secrets["gateway"]["Gateway__Secret"]);
        Assert.Contains($":{_secrets["rabbitmq"]["RABBITMQ_DEFAULT_PASS"]}@", _secrets["seats"]["ConnectionStrings__RabbitMq"],
            StringComparison.Ordinal);
        Assert.Equal(_secrets["receiver"]["secret"], _secrets["dataplatform"]["DataPlatform__Secrets"]);
        WebhookSecret.KeyOf(_secrets["receiver"]["secret"]);
        Assert.True(Convert.FromBase64String(_secrets["gateway"]["Authentication__Demo__Key"]).Length >= 32);
        using (var key = System.Security.Cryptography.ECDsa.Create())
            key.ImportFromPem(_secrets["tickets"]["tickets.pem"]);
        Assert.DoesNotContain(_secrets.Values.SelectMany(secret => secret.Values), value => value.Contains('{', StringComparison.Ordinal));

        _secrets.Clear();
        await new ClusterSecrets(_client, "demo").CreateFromAsync(Templates);
        Assert.NotEqual(first, _secrets["seats"]["Gateway__Secret"]);
    }

    /// <summary>A Job that was interrupted runs again.</summary>
    [Fact]
    public async Task Secrets_CreatedInPart_AreCompletedWithTheSameValues()
    {
        await new ClusterSecrets(_client, "demo").CreateFromAsync(Templates);
        var before = _secrets.ToDictionary();
        Assert.True(_secrets.TryRemove("seats", out _));

        await new ClusterSecrets(_client, "demo").CreateFromAsync(Templates);

        Assert.Equal(before.OrderBy(secret => secret.Key), _secrets.OrderBy(secret => secret.Key));
    }

    /// <summary>A newer version has a Secret, a random text and a key that the older one did not have.</summary>
    [Fact]
    public async Task Secrets_OfAnOlderVersion_GetWhatTheyLackAndKeepTheRest()
    {
        await new ClusterSecrets(_client, "demo").CreateFromAsync(Templates);
        var before = _secrets.ToDictionary(secret => secret.Key, secret => secret.Value.ToDictionary());
        Assert.True(_secrets.TryRemove("tickets", out _));
        Assert.True(_secrets[ClusterSecrets.Kept].Remove("tickets-pem"));
        Assert.True(_secrets["dataplatform"].Remove("DataPlatform__Secrets"));

        await new ClusterSecrets(_client, "demo").CreateFromAsync(Templates);

        Assert.Equal(_secrets[ClusterSecrets.Kept]["tickets-pem"], _secrets["tickets"]["tickets.pem"]);
        Assert.NotEqual(before["tickets"]["tickets.pem"], _secrets["tickets"]["tickets.pem"]);
        Assert.Equal(before["dataplatform"], _secrets["dataplatform"]);
        Assert.Equal(before["seats"], _secrets["seats"]);
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _api.DisposeAsync();
    }
}
