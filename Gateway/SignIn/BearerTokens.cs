using System.Buffers.Text;
using System.Text.Json;
using ConcertSaga.Shared.Hosting;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>The check of bearer tokens. Which check a token failed is not told: the caller's remedy is the same.</summary>
internal static class BearerTokens
{
    // Signatures only the issuer can make. A shared-key algorithm is out: the public key would be the key.
    private static readonly string[] IssuerAlgorithms =
    [
        SecurityAlgorithms.RsaSha256, SecurityAlgorithms.RsaSha384, SecurityAlgorithms.RsaSha512,
        SecurityAlgorithms.RsaSsaPssSha256, SecurityAlgorithms.RsaSsaPssSha384, SecurityAlgorithms.RsaSsaPssSha512,
        SecurityAlgorithms.EcdsaSha256, SecurityAlgorithms.EcdsaSha384, SecurityAlgorithms.EcdsaSha512
    ];

    // Marks a request whose token could not be judged.
    private static readonly object SilentIssuer = new();

    public static void AddBearerTokens(this WebApplicationBuilder builder)
    {
        var options = builder.AddOptionsSection<SignInOptions>("Authentication");
        options.Check();
        builder.Services.TryAddSingleton(TimeProvider.System);

        // A key that cannot be read must stop the start, not the first sign-in.
        var demo = options.Demo.Enabled ? new DemoIssuer(options.Demo, TimeProvider.System) : null;
        if (demo is not null)
            builder.Services.AddSingleton(demo);

        var remembered = new CheckedBearerTokens(TimeProvider.System);
        builder.Services.AddSingleton(remembered);
        builder.Services.AddAuthorization(authorization => authorization.AddPolicy("Ops",
            operators => operators.RequireAuthenticatedUser().RequireAssertion(caller => caller.User.Roles().Contains("ops"))));
        builder.Services.AddAuthentication(JwtBearerDefaults.AuthenticationScheme).AddJwtBearer(bearer =>
        {
            if (demo is not null)
            {
                bearer.TokenValidationParameters = demo.Checks;
            }
            else
            {
                bearer.Authority = options.Authority!.AbsoluteUri;
                bearer.RequireHttpsMetadata = !options.Authority.IsLoopback;
                bearer.TokenValidationParameters.ValidAudience = options.Audience;
                bearer.TokenValidationParameters.ValidAlgorithms = IssuerAlgorithms;
            }
            bearer.TokenValidationParameters.ClockSkew = TimeSpan.FromSeconds(5);
            bearer.TokenValidationParameters.NameClaimType = "sub";
            bearer.TokenValidationParameters.RoleClaimType = "roles";
            bearer.MapInboundClaims = false;
            bearer.IncludeErrorDetails = false;
            bearer.Events = new JwtBearerEvents
            {
                OnMessageReceived = remembered.Recall,
                OnTokenValidated = async context =>
                {
                    await RequireUserId(context);
                    if (context.Result is null)
                        remembered.Keep(context);
                },
                OnAuthenticationFailed = NoticeSilentIssuerAsync,
                OnChallenge = AnswerForSilentIssuer
            };
        });
    }

    private static Task RequireUserId(TokenValidatedContext context)
    {
        if (context.Principal?.UserId() is null || !NamesItsSubjectInText((JsonWebToken)context.SecurityToken))
            context.Fail("The token names no user.");
        return Task.CompletedTask;
    }

    /// <summary>The token reader turns a number into text, which would make user <c>7</c> of it; only the token itself tells.</summary>
    private static bool NamesItsSubjectInText(JsonWebToken token)
    {
        using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(token.EncodedPayload));
        return claims.RootElement.TryGetProperty("sub", out var subject) && subject.ValueKind == JsonValueKind.String;
    }

    /// <summary>Without the issuer's keys no token can be judged. That is our trouble, not the caller's.</summary>
    private static async Task NoticeSilentIssuerAsync(AuthenticationFailedContext context)
    {
        if (context.Options.ConfigurationManager is not { } issuer)
            return;
        try
        {
            await issuer.GetConfigurationAsync(context.HttpContext.RequestAborted);
        }
        catch (Exception exception) when (exception is InvalidOperationException or IOException or HttpRequestException or TaskCanceledException)
        {
            context.HttpContext.Items[SilentIssuer] = true;
        }
    }

    private static Task AnswerForSilentIssuer(JwtBearerChallengeContext context)
    {
        if (context.HttpContext.Items.ContainsKey(SilentIssuer))
        {
            context.HandleResponse();
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        }
        return Task.CompletedTask;
    }
}
