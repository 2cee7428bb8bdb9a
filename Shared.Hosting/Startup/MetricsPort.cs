using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Shared.Hosting;

/// <summary>The settings of section <c>Metrics</c>.</summary>
public sealed class MetricsOptions
{
    /// <summary>A port that answers <c>/metrics</c> without the gateway's secret, and nothing else; 0 for none.</summary>
    [Range(0, 65535)]
    public int Port { get; set; }
}

/// <summary>
/// Serves metrics on a port of their own, because few scrapers can send the gateway's secret. The network must protect that port.
/// </summary>
internal static class MetricsPort
{
    private static readonly string[] Schemes = ["http", "https"];

    public static void AddMetricsPort(this WebApplicationBuilder builder)
    {
        var port = builder.AddOptionsSection<MetricsOptions>("Metrics").Port;
        if (port == 0)
            return;
        var configuration = builder.Configuration;
        // Such endpoints replace the addresses in urls, so the port would never open.
        if (configuration.GetSection("Kestrel:Endpoints").GetChildren().Any())
            throw new StartupException($"Metrics:Port is '{port}' although Kestrel:Endpoints is set; allowed: one of the two.");
        configuration["urls"] = $"{AddressesOf(configuration)};http://*:{port}";
    }

    /// <summary>Answers all requests on the metrics port, before any other step sees them.</summary>
    public static void UseMetricsPort(this WebApplication app)
    {
        var port = app.Services.GetRequiredService<IOptions<MetricsOptions>>().Value.Port;
        if (port == 0)
            return;
        app.MapWhen(context => context.Connection.LocalPort == port, metrics =>
        {
            metrics.UseOpenTelemetryPrometheusScrapingEndpoint("/metrics");
            metrics.Run(context =>
            {
                context.Response.StatusCode = StatusCodes.Status404NotFound;
                return Task.CompletedTask;
            });
        });
    }

    // The base images of .NET set http_ports instead of urls.
    private static string AddressesOf(ConfigurationManager configuration) =>
        configuration["urls"] is { Length: > 0 } urls ? urls
        : string.Join(';', Schemes.SelectMany(scheme =>
            (configuration[$"{scheme}_ports"] ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
                .Select(port => $"{scheme}://*:{port}")));
}
