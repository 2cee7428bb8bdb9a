using System.Buffers.Text;
using System.Text.Json;
using ConcertSaga.Gateway.Http;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Background;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>Verifies bearer tokens. The answer never names the failed check: the caller's remedy is always a new token.</summary>
internal static class BearerTokens
{
    // Asymmetric algorithms only. With a shared-key algorithm, anyone could sign with the public key.
    internal static readonly string[] IssuerAlgorithms =
    [
        SecurityAlgorithms.RsaSha256, SecurityAlgorithms.RsaSha384, SecurityAlgorithms.RsaSha512,
        SecurityAlgorithms.RsaSsaPssSha256, SecurityAlgorithms.RsaSsaPssSha384, SecurityAlgorithms.RsaSsaPssSha512,
        SecurityAlgorithms.EcdsaSha256, SecurityAlgorithms.EcdsaSha384, SecurityAlgorithms.EcdsaSha512
    ];

    // Marks a request whose token could not be verified because the issuer did not answer.
    private static readonly object IssuerUnavailable = new();

    public static void AddBearerTokens(this WebApplicationBuilder builder)
    {
        var options = builder.AddOptionsSection<SignInOptions>("Authentication");
        builder.Services.TryAddSingleton(TimeProvider.System);

        // Created here, so that an unreadable key fails the start and not the first sign-in.
        var demo = options.Demo.Enabled ? new DemoIssuer(options.Demo, TimeProvider.System) : null;
        if (demo is not null)
            builder.Services.AddSingleton(demo);

        builder.Services.AddSingleton<CallerCache>();
        builder.Services.AddHostedSingleton<SessionRevocation>();
        builder.Services.AddSingleton<IssuerOutage>();
        builder.Services.AddAuthorization(authorization =>
        {
            authorization.AddPolicy("Ops", operators => operators.RequireAuthenticatedUser().RequireAssertion(IsOperator));
            authorization.AddPolicy("Console", operators => operators.AddAuthenticationSchemes(SignInSchemes.Page)
                .RequireAuthenticatedUser().RequireAssertion(IsOperator));
        });
        var authentication = builder.Services.AddAuthentication(JwtBearerDefaults.AuthenticationScheme).AddJwtBearer(bearer =>
        {
            if (demo is not null)
            {
                bearer.TokenValidationParameters = demo.Validation;
            }
            else
            {
                bearer.Authority = options.Authority!.AbsoluteUri;
                bearer.RequireHttpsMetadata = !options.Authority.IsLoopback;
                bearer.TokenValidationParameters.ValidAudience = options.Audience;
                bearer.TokenValidationParameters.ValidAlgorithms = IssuerAlgorithms;
            }
            bearer.TokenValidationParameters.ClockSkew = Contracts.ClockSkew.Tolerance;
            bearer.TokenValidationParameters.NameClaimType = "sub";
            bearer.TokenValidationParameters.RoleClaimType = "roles";
            bearer.MapInboundClaims = false;
            bearer.IncludeErrorDetails = false;
            bearer.Events = new JwtBearerEvents
            {
                OnMessageReceived = context => context.HttpContext.RequestServices.GetRequiredService<CallerCache>().Recall(context),
                OnTokenValidated = context =>
                {
                    var services = context.HttpContext.RequestServices;
                    services.GetRequiredService<IssuerOutage>().Log.Succeeded();
                    RequireUserId(context);
                    RejectFutureIssue(context);
                    if (context.Result is null)
                        services.GetRequiredService<CallerCache>().Keep(context.Request, context.Principal!,
                            new DateTimeOffset(context.SecurityToken.ValidTo, TimeSpan.Zero));
                    return Task.CompletedTask;
                },
                OnAuthenticationFailed = DetectIssuerOutageAsync,
                OnChallenge = AnswerDuringIssuerOutage
            };
        });
        authentication.AddScheme<AuthenticationSchemeOptions, PageCaller>(SignInSchemes.Page, null);
        if (options.HasPages)
            builder.AddPageSignIn(authentication, options);
    }

    private static bool IsOperator(AuthorizationHandlerContext caller) => caller.User.Roles().Contains("ops");

    private static void RequireUserId(TokenValidatedContext context)
    {
        if (context.Principal?.UserId() is null || !HasTextSubject((JsonWebToken)context.SecurityToken))
            context.Fail("The token names no user.");
    }

    /// <summary>Rejects an <c>iat</c> in the future. The framework only checks <c>nbf</c>.</summary>
    private static void RejectFutureIssue(TokenValidatedContext context)
    {
        var now = context.HttpContext.RequestServices.GetRequiredService<TimeProvider>().GetUtcNow();
        if (((JsonWebToken)context.SecurityToken).IssuedAt > (now + Contracts.ClockSkew.Tolerance).UtcDateTime)
            context.Fail("The token was issued in the future.");
    }

    /// <summary>Whether <c>sub</c> is a text. The token reader turns the number 7 into user <c>7</c>, so this parses the token.</summary>
    private static bool HasTextSubject(JsonWebToken token)
    {
        using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(token.EncodedPayload));
        return claims.RootElement.TryGetProperty("sub", out var subject) && subject.ValueKind == JsonValueKind.String;
    }

    /// <summary>Marks the request if the issuer's keys are unavailable. That is the gateway's fault, not the caller's.</summary>
    private static async Task DetectIssuerOutageAsync(AuthenticationFailedContext context)
    {
        if (context.Options.ConfigurationManager is not { } issuer)
            return;
        try
        {
            await issuer.GetConfigurationAsync(context.HttpContext.RequestAborted);
        }
        catch (Exception exception) when (exception is InvalidOperationException or IOException or HttpRequestException
            or TaskCanceledException)
        {
            context.HttpContext.Items[IssuerUnavailable] = true;
            if (!context.HttpContext.RequestAborted.IsCancellationRequested)
                context.HttpContext.RequestServices.GetRequiredService<IssuerOutage>().Log.Failed(exception);
        }
    }

    /// <summary>Whether the token of a request could not be verified because the issuer did not answer.</summary>
    public static bool IsIssuerUnavailable(HttpContext context) => context.Items.ContainsKey(IssuerUnavailable);

    /// <summary>Logs when the issuer stops answering and when it answers again.</summary>
    private sealed class IssuerOutage(ILogger<IssuerOutage> logger, TimeProvider time)
    {
        public OutageLog Log { get; } = new("Fetching the issuer's keys", logger, time);
    }

    private static Task AnswerDuringIssuerOutage(JwtBearerChallengeContext context)
    {
        if (IsIssuerUnavailable(context.HttpContext))
        {
            context.HandleResponse();
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        }
        return Task.CompletedTask;
    }
}
