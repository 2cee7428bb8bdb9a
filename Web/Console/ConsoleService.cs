using ConcertSaga.Contracts;
using ConcertSaga.OperatorConsole.Api;
using ConcertSaga.OperatorConsole.Hosting;
using ConcertSaga.OperatorConsole.Pages;
using ConcertSaga.OperatorConsole.Texts;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace ConcertSaga.OperatorConsole;

/// <summary>The operators' console: pages below <c>/ops</c>, rendered on the server, which call the routes of operators.</summary>
public static class ConsoleService
{
    /// <summary>Registers the console.</summary>
    /// <param name="services">The services of the host.</param>
    /// <param name="addressOf">Finds the address of a service; null if it is not set.</param>
    public static void AddConsole(this IServiceCollection services, Func<IServiceProvider, Peer, Uri?> addressOf)
    {
        services.AddRazorComponents();
        // Replaces the framework's tokens, which need a cookie and a key ring that all replicas share.
        services.AddSingleton<IAntiforgery, FormTokens>();
        // Before the writer of problem details, which writes all that reach it.
        services.Insert(0, ServiceDescriptor.Singleton<IProblemDetailsWriter, ErrorPageWriter>());
        // No page protects data. Without this, each start would write a key ring into the home folder.
        foreach (var keyRing in services.Where(service => service.ServiceType == typeof(IHostedService)
            && service.ImplementationType?.Name == "DataProtectionHostedService").ToList())
            services.Remove(keyRing);
        services.AddHttpContextAccessor();
        services.AddSingleton(provider => new PeerClient(
            peer => addressOf(provider, peer), provider.GetRequiredService<IOptions<InnerWallOptions>>()));
        services.AddScoped<ConsoleApi>();
        services.AddScoped(provider => Preferences.Of(provider.GetRequiredService<IHttpContextAccessor>().HttpContext!.Request));
        services.AddScoped(provider => TextCatalog.Of(provider.GetRequiredService<Preferences>().Language));
    }

    /// <summary>Maps the pages and their assets. Call it after the service defaults.</summary>
    public static void MapConsole(this WebApplication app)
    {
        app.UseAntiforgery();
        app.MapAssets();
        app.MapRazorComponents<App>().Add(endpoint =>
        {
            var render = endpoint.RequestDelegate!;
            endpoint.RequestDelegate = context => OperatorRoutes.IsOperator(context.Request) ? RenderAsync(render, context)
                : Refusals.OperatorsOnly.Answer().ExecuteAsync(context);
        });
    }

    // The framework answers a form without a valid token, or of a page that no longer has it, with an empty body.
    private static async Task RenderAsync(RequestDelegate render, HttpContext context)
    {
        await render(context);
        if (context.Response is { HasStarted: false, StatusCode: StatusCodes.Status400BadRequest })
            await Problems.Refuse(StatusCodes.Status400BadRequest, RefusalCodes.BadRequest, "The form is not valid. Reload its page.")
                .ExecuteAsync(context);
    }
}
